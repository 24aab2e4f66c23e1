"""Environment variables and env files as a source of a config class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource

from ._config_values import (
    MISSING,
    default_of,
    entry_at,
    from_json,
    has_entries,
    is_scalar,
    kind_of,
    like,
    merge,
    names_of,
    nested,
)
from .exceptions import Mistake, public_message

#: Where the report of a run travels through pydantic-settings; no identifier, so it is nobody's key.
REPORT_KEY: Final = "patera.variables"

EntryPath = tuple[str, ...]


@dataclass(slots=True)
class VariableReport:
    """What the variables did to one config instance.

    Args:
        keywords: Keys that were passed to the constructor.
        ignored: Bare variables that do not fit, with the reason.
        used: Key -> path below the key -> the variable that gave the value.
        bare: Key -> the value that it would have had without its bare variable.
        partial: Keys of which variables gave single entries only.
        undeclared: Keys that no class declares -> their variable.
        texts: Contents of all variables that were used; they must not appear in messages.
        mistakes: Variables with the prefix that cannot be used.
    """

    keywords: frozenset[str] = frozenset()
    ignored: dict[str, str] = field(default_factory=dict)
    used: dict[str, dict[EntryPath, str]] = field(default_factory=dict)
    bare: dict[str, Any] = field(default_factory=dict)
    partial: set[str] = field(default_factory=set)
    undeclared: dict[str, str] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    mistakes: list[Mistake] = field(default_factory=list)

    def restart(self) -> None:
        """Forget everything but the keywords and the variables to ignore."""
        for kept in (self.used, self.bare, self.partial, self.undeclared, self.texts, self.mistakes):
            kept.clear()

    def use(self, key: str, path: EntryPath, variable: str, text: str) -> None:
        """Note that a variable gave the value at `path` below `key`."""
        if not path:
            self.used[key] = {}
        self.used.setdefault(key, {})[path] = variable
        self.texts.add(text)

    def variable_of(self, key: str, path: EntryPath) -> str | None:
        """Return the variable that gave the value at `path`, or a part around it."""
        given = self.used.get(key, {})
        return next((given[path[:size]] for size in range(len(path), -1, -1) if path[:size] in given), None)

    def ignore_failing(self, error: ValidationError) -> bool:
        """Ignore the bare variables that made validation fail, and return whether there were any."""
        found = False
        for item in error.errors(include_url=False, include_input=False):
            key = str(item["loc"][0]) if item["loc"] else ""
            if key in self.bare:
                reason = "a validator refused it" if item["type"] == "value_error" else public_message(dict(item))
                self.ignored[self.used[key][()]] = f"it does not fit {key}: {reason}"
                found = True
        return found

    def redact(self, message: str) -> str:
        """Return a message without the contents of variables that it may repeat."""
        for text in sorted(self.texts, key=len, reverse=True):
            # Shorter texts are no secrets, and are parts of ordinary words.
            if len(text) > 3:
                message = message.replace(text, "***")
        return message


class VariableSource(PydanticBaseSettingsSource):
    """Reads the variables of a config class from the process environment and the env file.

    For each key, the first that exists wins: the prefixed variable, the bare variable (scalar keys
    of the process environment only), the file. Entries below a key (`PATERA_CACHE__DURATION`) are
    put over what the next source has.

    Args:
        settings_cls: The config class.
        environment: The process environment, as pydantic-settings read it.
        file: The env file, as pydantic-settings read it.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        environment: PydanticBaseSettingsSource,
        file: PydanticBaseSettingsSource,
    ) -> None:
        super().__init__(settings_cls)
        prefix = str(getattr(environment, "env_prefix", self.config.get("env_prefix", "")))
        self.prefix = prefix if getattr(environment, "case_sensitive", True) else prefix.upper()
        self.delimiter = str(self.config.get("env_nested_delimiter") or "__")
        self.environment = _Variables(environment, self.delimiter)
        self.file = _Variables(file, self.delimiter)
        self.report = VariableReport()
        self.names: set[str] = set()

    def __call__(self) -> dict[str, Any]:
        """Return the values of all keys that variables give."""
        self.report = self.current_state.get(REPORT_KEY, self.report)
        self.report.restart()
        values = {}
        for key, info in self.settings_cls.model_fields.items():
            self.names.update(_spellings(names_of(key, info)))
            if not self.names_given(key, info):
                value, _, _ = self.get_field_value(info, key)
                if value is not MISSING:
                    values[key] = value
        return values | self.undeclared_values()

    def names_given(self, key: str, info: FieldInfo) -> bool:
        """Whether a source before this one has the key."""
        return not names_of(key, info).isdisjoint(self.current_state)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value that variables give to one key, or `MISSING`."""
        reading = _Reading(field_name, field, self.report)
        exact = _spellings(names_of(field_name, field) - {field_name})
        plain = _spellings([field_name])
        prefixed = [self.prefix + name for name in plain]
        reading.read(self.file, plain if self.prefix else [])
        reading.read(self.file, [*exact, *prefixed])
        if self.prefix:
            reading.read_bare(self.environment, plain)
        reading.read(self.environment, [*exact, *prefixed])
        if reading.value is MISSING and reading.entries:
            self.report.partial.add(field_name)
            return reading.entries, field_name, False
        return reading.value, field_name, False

    def undeclared_values(self) -> dict[str, Any]:
        """Return what prefixed variables give to upper-case keys that the class does not declare."""
        values: dict[str, Any] = {}
        known = self.names | {name.removeprefix(self.prefix) for name in self.names} | self.current_state.keys()
        for variables in (self.file, self.environment) if self.prefix else ():
            for key in variables.keys_after(self.prefix):
                if key.isupper() and key not in known and self.delimiter not in key:
                    values[key] = self._undeclared_value(key, variables, values.get(key, MISSING))
        return values

    def _undeclared_value(self, key: str, variables: _Variables, earlier: Any) -> Any:
        reading = _Reading(key, FieldInfo(annotation=Any), self.report)
        reading.value = earlier
        reading.read(variables, [self.prefix + key])
        self.report.undeclared[key] = next(iter(self.report.used[key].values()))
        return reading.entries if reading.value is MISSING else reading.value


class _Variables:
    """The variables of one place: whole ones by name, nested ones by the name before the delimiter."""

    def __init__(self, source: PydanticBaseSettingsSource, delimiter: str) -> None:
        texts: Mapping[str, str | None] = getattr(source, "env_vars", {})
        fold = not getattr(source, "case_sensitive", True)
        self.whole = {name.upper() if fold else name: text for name, text in texts.items() if text is not None}
        self.nested: dict[str, list[tuple[EntryPath, str]]] = {}
        for name in sorted(self.whole):
            head, *path = name.split(delimiter)
            if head and path and all(path):
                self.nested.setdefault(head, []).append((tuple(path), name))

    def keys_after(self, prefix: str) -> list[str]:
        """Return the keys that variables with this prefix name."""
        return sorted({name[len(prefix) :] for name in {*self.whole, *self.nested} if name.startswith(prefix)})


class _Reading:
    """The value of one key while the variables of several places are put together."""

    def __init__(self, key: str, info: FieldInfo, report: VariableReport) -> None:
        self.key = key
        self.info = info
        self.report = report
        self.example = default_of(info)
        self.value: Any = MISSING
        self.entries: dict[str, Any] = {}

    def read(self, variables: _Variables, names: Iterable[str]) -> None:
        """Let whole and nested variables replace what earlier places gave; the last name wins."""
        for name in names:
            if name in variables.whole:
                self._read_whole(name, variables.whole[name])
            for path, variable in variables.nested.get(name, ()):
                self._read_entry(path, variable, variables.whole[variable])

    def read_bare(self, variables: _Variables, names: Iterable[str]) -> None:
        """Let a bare variable replace a scalar; one that cannot be used is ignored with a reason."""
        for name in names:
            text = variables.whole.get(name)
            if text is None or name in self.report.ignored:
                continue
            if not self._takes_bare():
                self.report.ignored[name] = f"{self.key} takes more than one value: only its prefixed variable is read"
                continue
            try:
                value = self._decoded(text)
            except ValueError:
                self.report.ignored[name] = f"it does not fit {self.key}: that is {kind_of(self.example)}"
                continue
            self.report.bare[self.key] = self.example if self.value is MISSING else self.value
            self.report.use(self.key, (), name, text)
            self.value = value

    def _takes_bare(self) -> bool:
        if self.info.annotation is Any:
            return isinstance(self.example, str | int | float | None) or self.example is MISSING
        return is_scalar(self.info.annotation)

    def _read_whole(self, name: str, text: str) -> None:
        self.report.use(self.key, (), name, text)
        self.report.bare.pop(self.key, None)
        self.entries = {}
        try:
            self.value = self._decoded(text)
        except ValueError:
            self._refuse(name, kind_of(self.example))

    def _decoded(self, text: str) -> Any:
        if type(text) is not str:
            # What pydantic-settings makes of the text that `env_parse_none_str` names.
            return None
        if self.info.annotation is Any:
            return like(text, self.example)
        plain = is_scalar(self.info.annotation) or any(item is NoDecode for item in self.info.metadata)
        return text if plain else from_json(text)

    def _read_entry(self, path: EntryPath, variable: str, text: str) -> None:
        current = self.example if self.value is MISSING else self.value
        if not (has_entries(current, path) and has_entries(self.entries, path)):
            self._refuse(variable, "one value as a whole, no entries below it")
            return
        example = entry_at(current, path)
        try:
            value = like(text, example)
        except ValueError:
            self._refuse(variable, kind_of(example))
            return
        self.report.use(self.key, path, variable, text)
        if self.value is MISSING:
            self.entries = merge(self.entries, nested(path, value))
        else:
            self.value = merge(self.value, nested(path, value))

    def _refuse(self, variable: str, accepted: str) -> None:
        change = f"correct {variable}, or unset it"
        self.report.mistakes.append(Mistake("PAT021", variable, f"it does not fit {self.key}", accepted, change))


def _spellings(names: Iterable[str]) -> list[str]:
    """Return each name in upper case and as it is; the last one counts most."""
    return list(dict.fromkeys(spelled for name in sorted(names) for spelled in (name.upper(), name)))
