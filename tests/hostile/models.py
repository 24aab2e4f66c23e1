"""Models of the bodies that requests carry."""

import ipaddress
import uuid
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AnyUrl, BaseModel, Field, field_validator, model_validator


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Order(BaseModel):
    name: str
    amount: float = 1.0
    count: int = 1
    note: Any = None


class Everything(BaseModel):
    """A field for each kind of error that could repeat what was sent."""

    enum: Colour = Colour.RED
    literal: Literal["small", "large"] = "small"
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    key: uuid.UUID | None = None
    number: int = 0
    price: Decimal = Decimal(0)
    moment: datetime | None = None
    zone: ZoneInfo | None = None
    url: AnyUrl | None = None
    address: ipaddress.IPv4Address | None = None
    pattern: Annotated[str, Field(pattern="^[a-z]{3}$")] = "abc"
    short: Annotated[str, Field(max_length=3)] = "abc"
    either: int | bool = 0
    checked: str = ""
    asserted: str = ""
    token: str = ""
    repeated: str = ""

    @field_validator("checked")
    @classmethod
    def _refuse(cls, value: str) -> str:
        if value:
            raise ValueError(f"{value} is not allowed")
        return value

    @field_validator("asserted")
    @classmethod
    def _assert(cls, value: str) -> str:
        assert not value, f"got {value!r}"
        return value

    @model_validator(mode="after")
    def _compare(self) -> "Everything":
        if self.token != self.repeated:
            raise ValueError(f"{self.token} differs from {self.repeated}")
        return self


class Strict(BaseModel, extra="forbid"):
    name: str = ""


class Credentials(BaseModel):
    name: str
    age: int = 0
    tags: list[str] = []


class Shown(BaseModel):
    id: int
    name: str


def refuse_first(value: list[Any]) -> None:
    raise ValueError(f"{value[0]} is not allowed")
