"""Import strings: what is behind them, and one message for each way in which they fail."""

import importlib
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patera._imports import ImportString, Loaded, load_all, load_attribute, require, to_upper_snake
from patera.exceptions import ConfigurationError, MissingExtra, Mistake

PACKAGE = "imported_app"

Write = Callable[[dict[str, str]], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules of the package `imported_app`, which is importable until the test ends."""
    monkeypatch.syspath_prepend(tmp_path)
    known = set(sys.modules)
    (tmp_path / PACKAGE).mkdir()

    def write_modules(modules: dict[str, str]) -> None:
        for name, text in {"__init__": "", **modules}.items():
            path = tmp_path / PACKAGE / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()

    yield write_modules
    for name in set(sys.modules) - known:
        if name.partition(".")[0] == PACKAGE:
            del sys.modules[name]


def load(*names: str, **options: Any) -> Loaded:
    return load_all([ImportString(f"{PACKAGE}.{name}", "CONTROLLERS", **options) for name in names])


def mistake_of(*names: str, **options: Any) -> Mistake:
    loaded = load(*names, **options)
    (mistake,) = loaded.mistakes
    assert None in loaded.values
    return mistake


def test_load_attribute_returns_what_string_names(write: Write) -> None:
    write({"web": "class Req: ..."})
    assert load_attribute(f"{PACKAGE}.web:Req", kind="REQUEST_CLASS").__name__ == "Req"


def test_load_attribute_that_fails_raises_from_inner_error(write: Write) -> None:
    write({"web": "1 / 0"})
    with pytest.raises(ConfigurationError, match=r"PAT033 REQUEST_CLASS: 'imported_app\.web:Req'") as caught:
        load_attribute(f"{PACKAGE}.web:Req", kind="REQUEST_CLASS")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "text",
    ["", "app", "app.api", "app:", ":Api", "app:Api:B", "app.:Api", "app api:Api", "1app:Api", "app:Api\n", "app:a.b"],
)
def test_text_of_another_form_is_refused(text: str) -> None:
    (mistake,) = load_all([ImportString(text, "CONTROLLERS")]).mistakes
    assert (mistake.code, mistake.where) == ("PAT030", f"CONTROLLERS: {text!r}")


@pytest.mark.parametrize("text", ["app.api.Users", "app/api.py:Users", "app.api::Users", " app.api:Users "])
def test_text_of_another_form_is_respelled(text: str) -> None:
    (mistake,) = load_all([ImportString(text, "CONTROLLERS")]).mistakes
    assert mistake.change.startswith("write it as 'package.module:Name'. Did you mean 'app.api")


def test_malformed_text_of_loaded_module_is_one_mistake(write: Write) -> None:
    write({"api": "Users = object"})
    assert mistake_of("api:Users", "api:Users:x").code == "PAT030"


def test_name_with_letters_beyond_ascii_is_loaded(write: Write) -> None:
    write({"küche": "class Öfen: ..."})
    assert load("küche:Öfen").mistakes == []


def test_missing_module_names_closest_sibling(write: Write) -> None:
    write({"extensions": "db = 1"})
    mistake = mistake_of("extension:db")
    assert (mistake.code, mistake.found) == ("PAT031", "there is no module 'imported_app.extension'")
    assert mistake.change == "correct the name, or create the module. Did you mean 'imported_app.extensions'?"


def test_missing_package_names_closest_sibling(write: Write) -> None:
    write({"loggers.__init__": "", "loggers.file": ""})
    mistake = mistake_of("logger.file:FileLogger")
    assert mistake.found == "there is no module 'imported_app.logger'"
    assert mistake.change.endswith("Did you mean 'imported_app.loggers'?")


def test_module_below_module_that_is_no_package_is_missing(write: Write) -> None:
    write({"api": ""})
    assert mistake_of("api.users:Users").found == "there is no module 'imported_app.api.users'"


def test_missing_top_package_names_one_of_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_site").mkdir()
    (tmp_path / "shop_site" / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (mistake,) = load_all([ImportString("shop_sit.api:Users", "CONTROLLERS")]).mistakes
    assert mistake.change.endswith("start from the directory that holds the package. Did you mean 'shop_site'?")


def test_missing_attribute_names_closest_one_and_file(write: Write, tmp_path: Path) -> None:
    write({"api": "class UsersApi: ..."})
    mistake = mistake_of("api:UserApi")
    assert (mistake.code, mistake.found) == ("PAT032", "the module 'imported_app.api' has no 'UserApi'")
    assert mistake.change == "correct the name after the colon. Did you mean 'UsersApi'?"
    assert mistake.location == str(tmp_path / PACKAGE / "api.py")


def test_error_inside_module_is_kept_with_its_place(write: Write, tmp_path: Path) -> None:
    write({"api": "def fail():\n    raise RuntimeError('no disk')\nfail()"})
    loaded = load("api:Users")
    (mistake,) = loaded.mistakes
    assert (mistake.code, mistake.found) == ("PAT033", "the module raised RuntimeError: no disk")
    assert mistake.location == f"{tmp_path / PACKAGE / 'api.py'}:2"
    assert isinstance(loaded.cause, RuntimeError)


def test_syntax_error_names_its_line(write: Write, tmp_path: Path) -> None:
    write({"api": "x = 1\nclass Users"})
    assert mistake_of("api:Users").location == f"{tmp_path / PACKAGE / 'api.py'}:2"


@pytest.mark.parametrize("name", ["imported_app.modls", "redis_that_is_missing", "imported_app.api.users.models"])
def test_missing_module_inside_module_is_inner_error(write: Write, name: str) -> None:
    write({"api.__init__": "", "api.users": f"import {name}"})
    loaded = load("api.users:Users")
    assert loaded.mistakes[0].code == "PAT033"
    assert isinstance(loaded.cause, ModuleNotFoundError)


def test_missing_extra_inside_module_stays_its_own_mistake(write: Write) -> None:
    write({"jobs": "from patera._imports import require\nrequire('missing_package', 'scheduler', 'TaskManager')"})
    assert mistake_of("jobs:scheduler").code == "PAT011"


def test_error_of_module_attribute_is_inner_error(write: Write) -> None:
    write({"api": "def __getattr__(name):\n    raise RuntimeError(name)"})
    assert mistake_of("api:Users").found == "the module raised RuntimeError: Users"


def test_error_that_breaks_many_modules_is_named_once(write: Write) -> None:
    write({"models": "1 / 0", "api": "from . import models", "web": "from . import models"})
    loaded = load("api:Users", "web:Pages", "models:User")
    assert [mistake.where for mistake in loaded.mistakes] == ["CONTROLLERS: 'imported_app.api:Users'"]
    assert loaded.values == [None, None, None]


def test_errors_of_several_modules_are_one_group(write: Write) -> None:
    write({"api": "1 / 0", "web": "{}['x']"})
    cause = load("api:Users", "web:Pages").cause
    assert isinstance(cause, ExceptionGroup)
    assert [type(error) for error in cause.exceptions] == [ZeroDivisionError, KeyError]


def test_every_mistake_is_collected_and_the_rest_is_loaded(write: Write) -> None:
    write({"api": "class Users: ...", "web": "1 / 0"})
    loaded = load("api:User", "api:Users", "web:Pages", "none:X", "api")
    assert [mistake.code for mistake in loaded.mistakes] == ["PAT033", "PAT031", "PAT030", "PAT032"]
    assert [value is None for value in loaded.values] == [True, False, True, True, True]


def test_modules_are_loaded_before_attributes(write: Write) -> None:
    write({"api": "", "web": "import imported_app.api as api\napi.Users = int"})
    assert load("api:Users", "web:api", form="either").values[0] is int


def test_module_that_exits_ends_the_process(write: Write) -> None:
    write({"api": "raise SystemExit(3)"})
    with pytest.raises(SystemExit):
        load("api:Users")


class Base:
    pass


@pytest.mark.parametrize(
    ("text", "form", "found", "accepted"),
    [
        ("1", "class", "an object of int", "a subclass of Base"),
        ("int", "class", "the class int", "a subclass of Base"),
        ("Base()", "class", "an object of tests_base.Base", "a subclass of Base"),
        ("Base", "instance", "the class tests_base.Base", "an instance of Base"),
        ("int", "either", "the class int", "an instance of Base, or a subclass of Base"),
        ("list[int]", "class", "an object of types.GenericAlias", "a subclass of Base"),
    ],
)
def test_object_of_wrong_type_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, form: str, found: str, accepted: str
) -> None:
    monkeypatch.setattr(Base, "__module__", "tests_base")
    write({"api": ""})
    api = importlib.import_module(f"{PACKAGE}.api")
    monkeypatch.setattr(api, "value", eval(text), raising=False)
    mistake = mistake_of("api:value", expected=Base, form=form)
    assert (mistake.code, mistake.found, mistake.accepted) == ("PAT034", found, accepted)


@pytest.mark.parametrize(("form", "found"), [("class", "an object of int"), ("instance", "the class X")])
def test_object_of_any_type_has_to_have_wanted_form(write: Write, form: str, found: str) -> None:
    write({"api": "x = 1\nclass X: ..."})
    mistake = mistake_of("api:x" if form == "class" else "api:X", form=form)
    assert mistake.found.replace("imported_app.api.", "") == found


@pytest.mark.parametrize("value", ["Base()", "type('Child', (Base,), {})"])
def test_either_form_takes_instance_and_subclass(write: Write, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    write({"api": ""})
    monkeypatch.setattr(importlib.import_module(f"{PACKAGE}.api"), "value", eval(value), raising=False)
    assert load("api:value", expected=Base, form="either").mistakes == []


LOADER = """
from patera._imports import ImportString, load_all
loaded = load_all([ImportString("{text}", "CONTROLLERS")])
"""


def loaded_by(name: str) -> Loaded:
    loaded: Loaded = importlib.import_module(f"{PACKAGE}.{name}" if name else PACKAGE).loaded
    return loaded


def test_attribute_of_module_still_being_imported_is_circular_import(write: Write) -> None:
    write({"__init__": LOADER.format(text="imported_app:Api") + "class Api: ..."})
    (mistake,) = loaded_by("").mistakes
    assert (mistake.code, mistake.found) == (
        "PAT035",
        "circular import, 'imported_app' is still being imported (no 'Api' yet)",
    )
    assert mistake.change.endswith("with a factory: uvicorn imported_app:Application --factory")


@pytest.mark.parametrize(
    "statement", ["from imported_app import Application", "import imported_app\nimported_app.Application"]
)
def test_module_that_uses_module_still_being_imported_is_circular_import(write: Write, statement: str) -> None:
    write({"__init__": LOADER.format(text="imported_app.api:Api"), "api": statement})
    loaded = loaded_by("")
    assert [mistake.code for mistake in loaded.mistakes] == ["PAT035"]
    assert "circular import, 'imported_app' is still being imported" in loaded.mistakes[0].found
    assert isinstance(loaded.cause, ImportError | AttributeError)


def test_modules_that_import_one_another_are_no_mistake(write: Write) -> None:
    write({"a": "from . import b\nclass A: ...", "b": "from . import a\nclass B: ..."})
    assert load("a:A", "b:B").mistakes == []


SCRIPT = """
import sys
sys.path.insert(0, {path!r})
from patera._imports import ImportString, load_all
db = object()
class Api: ...
loaded = None
if __name__ == "__main__":
    extension = ImportString("script_app:db", "EXTENSIONS", None, "either")
    controller = ImportString("script_app:Api", "CONTROLLERS")
    loaded = load_all([extension, controller], application_module=__name__)
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "script_app.py"
    path.write_text(SCRIPT.format(path=str(tmp_path)), encoding="utf-8")
    before = sys.path[:]
    yield path
    sys.path[:] = before
    sys.modules.pop("script_app", None)


def test_instance_of_module_that_ran_as_script_exists_twice(script: Path) -> None:
    loaded = runpy.run_path(str(script), run_name="__main__")["loaded"]
    (mistake,) = loaded.mistakes
    assert (mistake.code, mistake.where) == ("PAT036", "EXTENSIONS: 'script_app:db'")
    assert mistake.found == "the object exists twice: 'script_app' was imported, and ran as __main__ too"
    assert loaded.values[1].__name__ == "Api"


def test_instance_of_other_module_is_loaded_by_script(write: Write) -> None:
    write({"extensions": "db = object()"})
    wanted = [ImportString(f"{PACKAGE}.extensions:db", "EXTENSIONS", None, "instance")]
    assert load_all(wanted, application_module="__main__").mistakes == []


def test_instance_of_imported_application_is_loaded(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(script.parent)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(script), raising=False)
    wanted = [ImportString("script_app:db", "EXTENSIONS", None, "instance")]
    assert load_all(wanted, application_module="script_app").mistakes == []


def test_require_returns_module() -> None:
    assert require("json.decoder", "extra", "purpose").__name__ == "json.decoder"


@pytest.mark.parametrize("package", ["missing_package", "missing_package.part"])
def test_require_of_missing_package_names_extra(package: str) -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'patera\[caching-redis\]'"):
        require(package, "caching-redis", "the Redis backend")


def test_require_of_package_with_missing_dependency_is_its_own_error(write: Write) -> None:
    write({"broken": "import missing_dependency"})
    with pytest.raises(ModuleNotFoundError, match="missing_dependency") as caught:
        require(f"{PACKAGE}.broken", "extra", "purpose")
    assert not isinstance(caught.value, MissingExtra)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("SqlDatabase", "SQL_DATABASE"),
        ("Cache", "CACHE"),
        ("HTTPServer", "HTTP_SERVER"),
        ("MyAPIClient", "MY_API_CLIENT"),
        ("Cache2Disk", "CACHE2_DISK"),
        ("already_Snake", "ALREADY_SNAKE"),
        ("X", "X"),
    ],
)
def test_to_upper_snake_separates_words(name: str, key: str) -> None:
    assert to_upper_snake(name) == key
