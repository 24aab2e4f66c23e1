"""Import strings, optional packages, and the spelling of configuration names."""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

from .exceptions import ConfigurationError, MissingExtra, Mistake, closest

__all__ = ["ImportString", "Loaded", "late", "load_all", "load_attribute", "require", "to_upper_snake"]

Form = Literal["class", "instance", "either"]

_IMPORT_STRING = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ACCEPTED = "'package.module:Name'"


@dataclass(frozen=True, slots=True)
class ImportString:
    """One `"package.module:Name"` of a configuration, and what has to be behind it.

    Args:
        text: The import string.
        key: The configuration key that holds it, such as `CONTROLLERS`.
        expected: The class that it must be, derive from or be an instance of; None for any.
        form: Whether a class, an instance or either of them is wanted.
    """

    text: str
    key: str
    expected: type | None = None
    form: Form = "class"

    @property
    def is_well_formed(self) -> bool:
        """Whether the text has the form of an import string at all."""
        return _IMPORT_STRING.fullmatch(self.text) is not None

    @property
    def module_name(self) -> str:
        """The part before the colon."""
        return self.text.partition(":")[0]

    @property
    def attribute(self) -> str:
        """The part after the colon."""
        return self.text.partition(":")[2]

    def mistake(self, code: str, found: str, change: str, *, accepted: str = _ACCEPTED, location: str = "") -> Mistake:
        """Return a mistake that names this import string."""
        return Mistake(code, f"{self.key}: {self.text!r}", found, accepted, change, location)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load_all()` found.

    Args:
        values: One object for each import string, in their order; None where loading failed.
        mistakes: What went wrong.
        causes: The errors that came out of the application's modules.
    """

    values: list[Any]
    mistakes: list[Mistake]
    causes: list[Exception]

    @property
    def cause(self) -> Exception | None:
        """What to raise a `ConfigurationError` from: the inner error, or a group of them."""
        if len(self.causes) > 1:
            return ExceptionGroup("errors inside the application's modules", self.causes)
        return self.causes[0] if self.causes else None


def load_attribute(
    import_string: str,
    *,
    kind: str,
    expected: type | None = None,
    form: Form = "class",
    application_module: str = "",
) -> Any:
    """Return the object behind one import string.

    Example:
        load_attribute("app.web:Req", kind="REQUEST_CLASS", expected=Request)

    Args:
        import_string: `"package.module:Name"`.
        kind: The configuration key, named in messages.
        expected: The class that the object must be, derive from or be an instance of.
        form: Whether a class, an instance or either of them is wanted.
        application_module: `__module__` of the application's class.

    Raises:
        ConfigurationError: The string, the module, the attribute or its type is wrong.
    """
    loaded = load_all([ImportString(import_string, kind, expected, form)], application_module=application_module)
    if loaded.mistakes:
        raise ConfigurationError(*loaded.mistakes) from loaded.cause
    return loaded.values[0]


def load_all(wanted: Iterable[ImportString], *, application_module: str = "") -> Loaded:
    """Load every module first and every attribute after that, and collect all mistakes.

    Modules come first so that they may import one another in any order.

    Args:
        wanted: The import strings of all keys.
        application_module: `__module__` of the application's class, `"__main__"` for a script.
    """
    wanted = list(wanted)
    loader = _Loader(application_module)
    for item in wanted:
        loader.load_module(item)
    values = [loader.load_value(item) for item in wanted]
    return Loaded(values, loader.mistakes, loader.causes)


def require(package: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Example:
        redis = require("redis.asyncio", "caching-redis", "the Redis cache backend")

    Args:
        package: The module to import.
        extra: The extra that installs it.
        purpose: What needs it.

    Raises:
        MissingExtra: The package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as exc:
        if not _is_within(package, exc.name):
            raise
        raise MissingExtra(package, extra, purpose) from exc


def late(module: str) -> Any:
    """Import a module of Patera's own when it is first used: those behind it cost as much as all others.

    Example:
        late("patera.cli._run").run_cli(app)

    Args:
        module: Its full name.
    """
    return importlib.import_module(module)


def to_upper_snake(name: str) -> str:
    """Return a class name as a configuration key: `SqlDatabase` -> `SQL_DATABASE`."""
    return _WORD_BORDER.sub("_", name).upper()


def _malformed(item: ImportString) -> Mistake:
    return item.mistake("PAT030", "not an import string", f"write it as {_ACCEPTED}.{_respelled(item.text)}")


def _respelled(text: str) -> str:
    dotted = re.sub(r"[/:]+", ".", re.sub(r"\.py(?=:|$)", "", text.strip()))
    module, _, name = dotted.rpartition(".")
    guess = f"{module}:{name}"
    return f" Did you mean {guess!r}?" if _IMPORT_STRING.fullmatch(guess) else ""


class _Loader:
    """One pass over import strings: the modules it has tried, and what went wrong so far."""

    def __init__(self, application_module: str) -> None:
        self.application_module = application_module
        self.modules: dict[str, ModuleType | None] = {}
        self.mistakes: list[Mistake] = []
        self.causes: list[Exception] = []

    def load_module(self, item: ImportString) -> None:
        """Import the module of a well-formed import string, once."""
        if not item.is_well_formed:
            self.mistakes.append(_malformed(item))
            return
        if item.module_name in self.modules:
            return
        self.modules[item.module_name] = None
        try:
            self.modules[item.module_name] = importlib.import_module(item.module_name)
        except Exception as exc:
            if isinstance(exc, ModuleNotFoundError) and _is_within(item.module_name, exc.name):
                self.mistakes.append(_missing_module(item, str(exc.name)))
            else:
                self.note(item, exc)

    def load_value(self, item: ImportString) -> Any:
        """Return the attribute of a module that was loaded, or None after noting the mistake."""
        module = self.modules.get(item.module_name) if item.is_well_formed else None
        if module is None:
            return None
        try:
            value = getattr(module, item.attribute)
        except AttributeError:
            self.mistakes.append(_missing_attribute(item, module))
            return None
        except Exception as exc:
            self.note(item, exc)
            return None
        mistake = _wrong_type(item, value) or _twice(item, value, module, self.application_module)
        if mistake is None:
            return value
        self.mistakes.append(mistake)
        return None

    def note(self, item: ImportString, error: Exception) -> None:
        """Keep an error of the application's own code; one module that breaks many is named once."""
        found = list(error.mistakes) if isinstance(error, ConfigurationError) else [_inner_error(item, error)]
        known = {(mistake.found, mistake.location) for mistake in self.mistakes}
        new = [mistake for mistake in found if (mistake.found, mistake.location) not in known]
        if new:
            self.mistakes += new
            self.causes.append(error)


def _is_within(asked: str, missing: str | None) -> bool:
    """Whether the module that is missing is the one asked for, or a package around it."""
    return missing is not None and (asked == missing or asked.startswith(f"{missing}."))


def _missing_module(item: ImportString, missing: str) -> Mistake:
    parent, _, name = missing.rpartition(".")
    found = f"there is no module {missing!r}"
    if not parent:
        change = "correct the name, or start from the directory that holds the package"
        return item.mistake("PAT031", found, f"{change}.{closest(name, _modules_in([os.getcwd()]))}")
    # Siblings share the parent's name, so only the last part decides which of them is close.
    match = difflib.get_close_matches(name, _modules_of(parent), n=1)
    hint = f" Did you mean '{parent}.{match[0]}'?" if match else ""
    return item.mistake("PAT031", found, f"correct the name, or create the module.{hint}")


def _modules_of(package: str) -> list[str]:
    return _modules_in(getattr(sys.modules.get(package), "__path__", ()))


def _modules_in(path: Iterable[str]) -> list[str]:
    return [module.name for module in pkgutil.iter_modules(path)]


def _inner_error(item: ImportString, error: Exception) -> Mistake:
    partial = _partial_module(error)
    if partial is not None:
        return _circular(item, partial, f"{type(error).__name__}: {error}", _raised_at(error))
    return item.mistake(
        "PAT033",
        f"the module raised {type(error).__name__}: {error}",
        "correct the module; its traceback is above this message",
        accepted="a module that can be imported",
        location=_raised_at(error),
    )


def _partial_module(error: Exception) -> str | None:
    """Return the module whose unfinished import made another module's import fail."""
    name = error.name if isinstance(error, ImportError) else getattr(getattr(error, "obj", None), "__name__", None)
    module = sys.modules.get(name) if isinstance(name, str) else None
    return name if module is not None and _is_initializing(module) else None


def _is_initializing(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


def _raised_at(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""


def _circular(item: ImportString, module: str, found: str, location: str = "") -> Mistake:
    return item.mistake(
        "PAT035",
        f"circular import, {module!r} is still being imported ({found})",
        f"create the application after the import of {module!r}, with a factory: "
        f"uvicorn {module}:Application --factory",
        accepted="an application that is created after its modules",
        location=location,
    )


def _missing_attribute(item: ImportString, module: ModuleType) -> Mistake:
    found = f"the module {item.module_name!r} has no {item.attribute!r}"
    if _is_initializing(module):
        return _circular(item, item.module_name, f"no {item.attribute!r} yet")
    hint = closest(item.attribute, [name for name in vars(module) if not name.startswith("__")])
    location = getattr(module, "__file__", None) or ""
    return item.mistake("PAT032", found, f"correct the name after the colon.{hint}", location=location)


def _wrong_type(item: ImportString, value: Any) -> Mistake | None:
    is_class = isinstance(value, type)
    fits = item.expected is None or (issubclass(value, item.expected) if is_class else isinstance(value, item.expected))
    if fits and (item.form == "either" or is_class == (item.form == "class")):
        return None
    found = f"the class {_name_of(value)}" if is_class else f"an object of {_name_of(type(value))}"
    accepted = _accepted(item)
    return item.mistake("PAT034", found, f"name {accepted}", accepted=accepted)


def _accepted(item: ImportString) -> str:
    if item.expected is None:
        return {"class": "a class", "instance": "an instance", "either": "a class or an instance"}[item.form]
    subclass, instance = f"a subclass of {item.expected.__name__}", f"an instance of {item.expected.__name__}"
    return {"class": subclass, "instance": instance, "either": f"{instance}, or {subclass}"}[item.form]


def _name_of(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _twice(item: ImportString, value: Any, module: ModuleType, application_module: str) -> Mistake | None:
    """Refuse an instance whose module ran as the script already: the script's code uses the other one."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    origin = getattr(module, "__file__", None)
    if application_module != "__main__" or module.__name__ == "__main__" or isinstance(value, type):
        return None
    if not script or not origin or os.path.realpath(script) != os.path.realpath(origin):
        return None
    return item.mistake(
        "PAT036",
        f"the object exists twice: {module.__name__!r} was imported, and ran as __main__ too",
        f"move it to a module of its own, or start the application by import: "
        f"uvicorn {module.__name__}:Application --factory",
        accepted="an object of a module that is imported once",
        location=origin,
    )
