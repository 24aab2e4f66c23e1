"""Session values as JSON text, and the check that they can be written so."""

from __future__ import annotations

import json
import math
from typing import Any

#: What to store instead of values that are no JSON; by the name of their type.
_INSTEAD = {
    "tuple": "list(value)",
    "set": "sorted(value)",
    "frozenset": "sorted(value)",
    "datetime": "value.isoformat()",
    "date": "value.isoformat()",
    "time": "value.isoformat()",
    "timedelta": "value.total_seconds()",
    "Decimal": "str(value)",
    "UUID": "str(value)",
    "bytes": "base64.b64encode(value).decode()",
}


class JsonCodec:
    """Writes sessions as plain JSON: what is read is equal to what was written, or it is refused."""

    scalars: tuple[type[Any], ...] = (str, bool, int)
    sequences: tuple[type[Any], ...] = (list,)
    #: What two values that belong together are written as.
    pair: type[list[Any] | tuple[Any, ...]] = list
    accepted = "str, int, float, bool, None, and lists and dicts of these with str keys"

    def check(self, key: str, value: Any) -> None:
        """Refuse a value that would not come back as it is.

        Args:
            key: The session's key, which the message names.
            value: The value.

        Raises:
            TypeError: The value, or one within it, is of another type.
            ValueError: It is nested too deep, or holds itself.
        """
        if not isinstance(key, str):
            raise TypeError(f"The session key {key!r} is {_named(key)}, not a str; write session[{str(key)!r}]")
        try:
            found = self._misfit(value, f"session[{key!r}]")
        except RecursionError:
            raise ValueError(f"session[{key!r}] is nested too deep, or holds itself; store less") from None
        if found is not None:
            place, problem, instead = found
            hint = f"; store {instead}" if instead else ""
            raise TypeError(f"{place} is {problem}. A session holds {self.accepted}{hint}")

    def dumps(self, value: Any) -> str:
        """Return the JSON text of a value, as compact as it gets."""
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    def loads(self, text: str | bytes) -> Any:
        """Return the value of a JSON text."""
        return json.loads(text)

    def _misfit(self, value: Any, place: str) -> tuple[str, str, str] | None:
        """Return where a value is that does not fit, what it is, and what to store instead."""
        if value is None or isinstance(value, self.scalars):
            return None
        if isinstance(value, float):
            return None if math.isfinite(value) else (place, f"{value!r}, which JSON does not have", "")
        if isinstance(value, dict):
            return self._misfit_in_dict(value, place)
        if isinstance(value, self.sequences):
            found = (self._misfit(item, f"{place}[{index}]") for index, item in enumerate(value))
            return next((each for each in found if each is not None), None)
        return place, _named(value), _INSTEAD.get(type(value).__name__, "")

    def _misfit_in_dict(self, value: dict[Any, Any], place: str) -> tuple[str, str, str] | None:
        for key, item in value.items():
            if not isinstance(key, str):
                return place, f"a dict with the key {key!r}, {_named(key)}", "str keys"
            found = self._misfit(item, f"{place}[{key!r}]")
            if found is not None:
                return found
        return None


def _named(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeio" else f"a {name}"
