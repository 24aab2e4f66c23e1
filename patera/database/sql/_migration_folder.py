"""The folder of one database's migrations: what kind it is, how it is made, and Alembic's view of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from configparser import Error as IniError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alembic.config import Config
from alembic.util import CommandError

from ._migration_errors import MigrationError, shown_path

__all__ = ["MigrationFolder"]

TEMPLATES = Path(__file__).parent / "_alembic"

_OWN = re.compile(r"^\s*from\s+patera\.database\.sql\.migrate\s+import\b", re.MULTILINE)
_OTHER_FRAMEWORK = re.compile(r"^\s*(?:from|import)\s+(?:flask|flask_migrate|pyjolt)\b", re.MULTILINE)
_ASYNC = re.compile(r"\b(?:async_engine_from_config|create_async_engine|AsyncEngine)\b")


@dataclass(frozen=True)
class MigrationFolder:
    """A folder with `env.py`, `script.py.mako` and `versions/`.

    Args:
        path: Its absolute path.
        root: The application's root path, near which an `alembic.ini` may stand.
    """

    path: Path
    root: Path

    @cached_property
    def env_text(self) -> str:
        """The content of `env.py`, empty where there is none."""
        file = self.path / "env.py"
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    @property
    def is_replaced(self) -> bool:
        """Whether Patera's environment runs instead of the folder's, which needs another framework."""
        return not self.env_text or _OTHER_FRAMEWORK.search(self.env_text) is not None

    @property
    def is_foreign(self) -> bool:
        """Whether the folder's `env.py` makes its own connection, as those of Alembic's templates do."""
        return not self.is_replaced and _OWN.search(self.env_text) is None

    @property
    def wants_async_url(self) -> bool:
        """Whether the folder's own `env.py` makes an asynchronous engine."""
        return _ASYNC.search(self.env_text) is not None

    def create(self) -> list[Path]:
        """Write a new folder, and return its files.

        Raises:
            MigrationError: There is something in it already.
        """
        if self.path.is_dir() and any(self.path.iterdir()):
            raise MigrationError(
                f"{shown_path(self.path)} exists and is not empty; a folder with migrations of Alembic or "
                "Flask-Migrate is used as it is, for another one set ALEMBIC_MIGRATION_DIR"
            )
        (self.path / "versions").mkdir(parents=True, exist_ok=True)
        files = {self.path / "env.py": "env.py.txt", self.path / "script.py.mako": "script.py.mako"}
        for file, template in files.items():
            file.write_text((TEMPLATES / template).read_text(encoding="utf-8"), encoding="utf-8")
        return list(files)

    def require(self, init: str) -> None:
        """Refuse to work without the folder.

        Args:
            init: The command that makes it.

        Raises:
            MigrationError: There is none, or it cannot be used.
        """
        if not self.path.is_dir() or not any(self.path.iterdir()):
            raise MigrationError(f"There is no migrations folder {shown_path(self.path)}; run {init}{self._elsewhere}")
        if not self.env_text and not (self.path / "versions").is_dir():
            raise MigrationError(
                f"{shown_path(self.path)} is no migrations folder, it has neither env.py nor versions/; "
                "correct ALEMBIC_MIGRATION_DIR"
            )
        if self.is_replaced and "bind_names" in self.env_text:
            raise MigrationError(
                f"{shown_path(self.path)} is a folder of Flask-Migrate for several databases; give each database a "
                "folder of its own with ALEMBIC_MIGRATION_DIR"
            )

    @contextmanager
    def config(self) -> Iterator[Config]:
        """Yield Alembic's configuration for the folder: its `alembic.ini` where there is one."""
        config = self._read_config()
        if not self.is_replaced:
            config.set_main_option("script_location", _escaped(self.path))
            yield config
            return
        with tempfile.TemporaryDirectory(prefix="patera-migrations-") as folder:
            self._write_stand_in(Path(folder))
            config.set_main_option("script_location", _escaped(folder))
            if config.get_alembic_option("version_locations") is None:
                config.set_main_option("path_separator", "newline")
                config.set_main_option("version_locations", _escaped(self.path / "versions"))
            yield config

    def _read_config(self) -> Config:
        inside = self.path / "alembic.ini"
        ini = inside if inside.is_file() else self._config_file("alembic.ini")
        config = Config(ini, self._config_file("pyproject.toml"))
        try:
            config.file_config  # noqa: B018 - reads the file
        except IniError as error:
            raise MigrationError(f"{shown_path(Path(str(ini)))} cannot be read: {error.message}") from error
        return config

    def _write_stand_in(self, folder: Path) -> None:
        own = self.path / "script.py.mako"
        template = own if own.is_file() else TEMPLATES / "script.py.mako"
        (folder / "script.py.mako").write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "env.py").write_text((TEMPLATES / "env.py.txt").read_text(encoding="utf-8"), encoding="utf-8")

    @property
    def _elsewhere(self) -> str:
        """A hint at a folder of the same name beside the application's package."""
        other = self.root.parent / self.path.name
        if other == self.path or not (other / "versions").is_dir():
            return ""
        return f", or set ALEMBIC_MIGRATION_DIR to '../{self.path.name}', which exists"

    def _config_file(self, name: str) -> Path | None:
        """The file of that name around the folder which names the folder as its `script_location`."""
        around = dict.fromkeys([self.path.parent, self.root, self.root.parent, Path.cwd()])
        return next((file for each in around if (file := each / name).is_file() and self._is_named_in(file)), None)

    def _is_named_in(self, file: Path) -> bool:
        config = Config(file) if file.suffix == ".ini" else Config(toml_file=file)
        try:
            location = str(config.get_alembic_option("script_location") or "")
        except (IniError, CommandError, ValueError):
            return False
        package, _, folder = location.rpartition(":")
        if package.isidentifier() or "." in package:
            parts = (*package.split("."), folder)
            return self.path.parts[-len(parts) :] == parts
        return bool(location) and self.path in (Path(location).resolve(), (file.parent / location).resolve())


def _escaped(path: Path | str) -> str:
    """Return a path for an ini value, where `%` begins a variable."""
    return str(path).replace("%", "%%")
