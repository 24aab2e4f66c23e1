"""Forms of pages: what was typed, and what is wrong with it."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from patera import Request

M = TypeVar("M", bound=BaseModel)


@dataclass
class Form(Generic[M]):
    """A form to show; templates may ask for the value and the error of any field."""

    data: M | None = None
    values: Mapping[str, str] = field(default_factory=lambda: defaultdict(str))
    errors: dict[str, str] = field(default_factory=lambda: defaultdict(str))


async def read_form(req: Request, model: type[M]) -> Form[M]:
    """Return the form of a request; its `data` is None where something does not fit."""
    form: Form[M] = Form(values=defaultdict(str, (await req.form()).fields))
    try:
        form.data = model.model_validate(form.values)
    except ValidationError as error:
        form.errors.update({str(item["loc"][0]): item["msg"] for item in error.errors()})
    return form
