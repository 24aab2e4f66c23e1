"""One application of all controllers; tests make it with the configuration that they need."""

import asyncio
from pathlib import Path
from typing import Any

from patera import BaseConfig, BaseExtension, Patera, app, on_shutdown, on_startup
from tests.hostile.recording import SECRET, events


def write_files(folder: Path) -> None:
    """Write static files, templates, and files to send into the application's folder."""
    static, templates = folder / "static", folder / "templates"
    (static / ".git").mkdir(parents=True)
    (static / ".well-known").mkdir()
    (static / "folder").mkdir()
    templates.mkdir()
    (static / "digits.txt").write_text("0123456789")
    (static / ".well-known" / "security.txt").write_text("Contact: x")
    (static / ".env").write_text(SECRET)
    (static / ".git" / "config").write_text(SECRET)
    (static / "nul.txt").write_text(SECRET)
    (folder / "outside.txt").write_text(SECRET)
    (static / "link.txt").symlink_to(folder / "outside.txt")
    (folder / "digits.txt").write_text("0123456789")
    (folder / "large.bin").write_bytes(bytes(4_000_000))
    (templates / "page.html").write_text(PAGE)
    (templates / "broken.html").write_text("<p>\n{% if %}\n</p>")


PAGE = """<p title="{{ text }}">{{ text }}</p>
<script>var text = {{ text|tojson }};</script>
"""


class Counter(BaseExtension):
    """Counts for each application, notes when it starts and stops, and fails where its name says so."""

    def init_app(self, app: Patera) -> list[str]:
        return []

    async def startup(self, app: Patera) -> None:
        if self.configs_name.startswith("BROKEN"):
            raise ConnectionError("no connection")
        events.append(f"{self.configs_name} started")

    async def shutdown(self, app: Patera) -> None:
        events.append(f"{self.configs_name} stopped")
        if self.configs_name.startswith("RELUCTANT"):
            raise ConnectionError("no connection")
        if self.configs_name.startswith("HANGING"):
            await asyncio.Event().wait()


first, second = Counter(configs_name="FIRST"), Counter(configs_name="SECOND")
broken, last = Counter(configs_name="BROKEN"), Counter(configs_name="LAST")
reluctant, hanging = Counter(configs_name="RELUCTANT"), Counter(configs_name="HANGING")


def extensions(*names: str) -> list[str]:
    """Return the import strings of extensions of this module."""
    return [f"{__name__}:{name}" for name in names]


class Config(BaseConfig):
    """Production, with everything that the tables need."""

    APP_NAME = "Hostile"
    VERSION = "1.0"
    BASE_PATH = str(Path(__file__).parent)
    DEBUG = False
    SECRET_KEY = "k" * 40
    EXCEPTION_HANDLERS = ["tests.hostile.faults:Handlers"]
    CONTROLLERS = [
        *(f"tests.hostile.inputs:{name}Api" for name in ("Bodies", "Forms", "Read", "Paths", "Locked", "Sockets")),
        *(f"tests.hostile.outputs:{name}Api" for name in ("Answers", "Cors")),
        *(f"tests.hostile.faults:{name}Api" for name in ("Faults", "Hooked")),
    ]


class Hostile(Patera):
    """Takes its files from `BASE_PATH`, which tests fill."""

    @property
    def root_path(self) -> str:
        return str(self.configs["BASE_PATH"])


class FailingToStart(Hostile):
    @on_startup
    async def load_catalogue(self) -> None:
        raise ConnectionError("no catalogue")


class FailingToStop(Hostile):
    @on_shutdown
    async def b_hangs(self) -> None:
        events.append("b_hangs")
        await asyncio.Event().wait()

    @on_shutdown
    async def a_raises(self) -> None:
        events.append("a_raises")
        raise ConnectionError("no connection")

    @on_shutdown
    async def c_ends(self) -> None:
        events.append("c_ends")


def create(folder: Path, base: type[Hostile] = Hostile, **values: Any) -> Patera:
    """Make the application with its files in a folder, and other configuration values."""
    config = type("Config", (Config,), {"BASE_PATH": str(folder), "__module__": __name__, **values})
    application: Patera = app(__name__, configs=config)(type("Application", (base,), {}))()
    return application


class BrokenConfig(Config):
    EXTENSIONS = extensions("first", "second", "broken", "last")


@app(__name__, configs=BrokenConfig)
class BrokenApplication(Hostile):
    """Its third extension cannot start."""
