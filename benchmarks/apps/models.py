"""The data of the endpoints, the same for every framework."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

ROUTES = 500
MANY_ROUTES = 5_000

#: What the client of the guarded endpoint sends, and the user behind it.
TOKEN = b"4f9d2c8be07a41d6"
USERS_BY_TOKEN = {TOKEN.decode(): {"id": 7, "name": "Ada Lovelace"}}
SCHEME = "Bearer "


class UserOut(BaseModel):
    """What clients may see of a user."""

    id: int
    email: str
    name: str
    role: Literal["admin", "editor", "reader"]
    active: bool
    score: float
    joined: datetime
    tags: list[str]
    city: str | None
    followers: int


class Address(BaseModel):
    street: str
    city: str
    zip_code: str = Field(pattern=r"^\d{4,6}$")


class Customer(BaseModel):
    name: str = Field(min_length=1, max_length=100)
    email: str
    address: Address


class Item(BaseModel):
    sku: str
    quantity: int = Field(ge=1)
    price: float = Field(gt=0)


class OrderIn(BaseModel):
    """An order as the client sends it."""

    reference: str
    currency: Literal["EUR", "USD"]
    customer: Customer
    items: list[Item]
    express: bool
    placed: datetime
    note: str | None = None
    voucher: str | None = None
    payment_token: str


class OrderOut(BaseModel):
    """An order as clients see it: without the voucher and the token of the payment."""

    model_config = ConfigDict(from_attributes=True)

    reference: str
    currency: Literal["EUR", "USD"]
    customer: Customer
    items: list[Item]
    express: bool
    placed: datetime
    note: str | None


#: A row as a database returns it; the last two columns must not leave the server.
USER_ROW: dict[str, Any] = {
    "id": 7,
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "role": "editor",
    "active": True,
    "score": 4.5,
    "joined": datetime(2026, 3, 1, 9, 30),
    "tags": ["mathematics", "engines"],
    "city": "London",
    "followers": 1815,
    "password_hash": "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ",
    "login_attempts": 2,
}

ORDER = b"""{"reference": "2026-00017", "currency": "EUR", "express": true, "placed": "2026-03-01T09:30:00",
"customer": {"name": "Ada Lovelace", "email": "ada@example.com",
"address": {"street": "12 St James's Square", "city": "London", "zip_code": "1000"}},
"items": [{"sku": "A-1", "quantity": 2, "price": 9.5}, {"sku": "B-7", "quantity": 1, "price": 120.0}],
"note": "Leave it at the door.", "voucher": "SPRING", "payment_token": "tok_4f9d2c"}"""
