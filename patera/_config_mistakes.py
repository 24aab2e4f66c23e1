"""What is wrong with the values of a config class, in words that repeat none of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from .exceptions import Mistake, closest, public_message

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from ._config_variables import VariableReport


def unknown_key(kind: type[BaseSettings], key: str, known: Iterable[str]) -> Mistake:
    return Mistake(
        "PAT022",
        f"{_name_of(kind)}.{key}",
        "nothing reads this key",
        "a key of the framework, of an extension or of a logger",
        f"correct the name, or annotate a key of your own, `{key}: Any`.{closest(key.upper(), known)}",
        _location(kind, key),
    )


def validation_mistakes(kind: type[BaseSettings], error: ValidationError, report: VariableReport) -> Iterator[Mistake]:
    """Yield one mistake for each key that Pydantic refuses, without any value."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for item in error.errors(include_url=False, include_input=False):
        key, *below = [str(part) for part in item["loc"]] or [""]
        if item["type"] == "missing" and not below:
            yield _missing_key(kind, key)
            continue
        message = report.redact(public_message(dict(item)))
        texts = found.setdefault((key, report.variable_of(key, tuple(below))), [])
        texts.append(f"{'.'.join(below)}: {message}" if below else message)
    for (key, variable), texts in found.items():
        yield _wrong_value(kind, key, variable, "; ".join(dict.fromkeys(texts)))


def _missing_key(kind: type[BaseSettings], key: str) -> Mistake:
    expected = _type_text(kind, key)
    example = "os.path.dirname(__file__)" if key == "BASE_PATH" else "..."
    change = f"write `{key}: {expected} = {example}` in the class, or set {kind.model_config['env_prefix']}{key}"
    return Mistake("PAT020", f"{_name_of(kind)}.{key}", "no value", expected, change, _location(kind))


def _wrong_value(kind: type[BaseSettings], key: str, variable: str | None, found: str) -> Mistake:
    where = variable or (f"{_name_of(kind)}.{key}" if key else _name_of(kind))
    change = f"correct {variable}, or unset it" if variable else "correct the value"
    if key in ("CONTROLLERS", "CLI_CONTROLLERS", "EXTENSIONS", "MODELS", "EXCEPTION_HANDLERS", "MIDDLEWARE", "LOGGERS"):
        change += "; it lists import strings such as 'package.module:Name'"
    location = "" if variable else _location(kind, key)
    return Mistake("PAT021", where, found, _type_text(kind, key), change, location)


def unreadable_source(kind: type[BaseSettings], error: Exception) -> Mistake:
    found = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else type(error).__name__
    change = "correct the file that model_config names, or its encoding"
    found = f"a source of settings cannot be read ({found})"
    return Mistake("PAT023", _name_of(kind), found, "readable sources", change)


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _type_text(kind: type[BaseSettings], key: str) -> str:
    """Return the type of a key where it is declared first, which overrides have to fit as well."""
    declared = [getattr(base, "model_fields", {}) for base in kind.__mro__]
    fields = [each[key] for each in declared if key in each]
    if not fields:
        return "values that the class accepts"
    return annotation_text(fields[-1].annotation)


def annotation_text(annotation: Any) -> str:
    """Return a type as people write it: `list[str] | None`."""
    is_plain = isinstance(annotation, type) and not get_args(annotation)
    return annotation.__name__ if is_plain else str(annotation).replace("typing.", "")


def _location(kind: type[BaseSettings], key: str = "") -> str:
    """Return `file:line` of a key in the class that defines it, as far as there is source."""
    owner = next((base for base in kind.__mro__ if key in vars(base).get("__annotations__", {})), kind)
    try:
        lines, start = inspect.getsourcelines(owner)
        matches = (number for number, line in enumerate(lines) if re.match(rf"\s*{re.escape(key)}\s*[:=]", line))
        return f"{inspect.getsourcefile(owner)}:{start + (next(matches, 0) if key else 0)}"
    except (OSError, TypeError):
        return ""
