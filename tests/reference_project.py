"""Runs the reference document's snippets: as files of a project, or as they stand."""

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from patera import Patera
from tests.reference_document import Snippet

#: What the snippets of the config class use without importing it.
CONFIG_NAMES = """
from pathlib import Path
from typing import Any, List, Optional, Type
from pydantic import Field
from patera import LogLevel, Request, Response
from patera.logging import CompressionType, RetentionType, RotationType
"""


class Project:
    """A project made of snippets: a folder with the package `app`, importable until its test ends.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, *parts: str) -> Path:
        """Write a file; the folders above a module become packages."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*parts, ""]), encoding="utf-8")
        if path.suffix == ".py":
            for parent in path.relative_to(self.folder).parents[:-1]:
                (self.folder / parent / "__init__.py").touch()
        importlib.invalidate_caches()
        return path

    def add(self, *snippets: Snippet) -> None:
        """Write each snippet into the file that its first line names."""
        for each in snippets:
            self.write(each.file_name, each.text)

    def configure(self, *snippets: Snippet) -> None:
        """Add snippets to the config class; what they import goes to the top of its file."""
        path = self.folder / "app" / "configs.py"
        text = path.read_text(encoding="utf-8")
        for each in snippets:
            imports = {number: line for number, line in each.lines.items() if line.startswith(("import ", "from "))}
            rest = {number: line for number, line in each.lines.items() if number not in imports}
            text = replace(each, lines=imports).text + text + replace(each, lines=rest).inside(1)
        path.write_text(CONFIG_NAMES + text.removeprefix(CONFIG_NAMES), encoding="utf-8")

    def load(self, name: str) -> Any:
        """Import a module of the project."""
        return importlib.import_module(name)

    def forget(self) -> None:
        """Forget what was imported, so that it is imported anew from the files."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "app"]:
            del sys.modules[name]

    def application(self) -> Patera:
        """Return a new application of the project."""
        made: Patera = self.load("app").Application()
        return made

    def with_controller(self, names: str, *parts: str) -> Patera:
        """Return an application with a controller `Part` at `/part`.

        Args:
            names: What stands above the class: imports, other classes.
            *parts: The body of the class.
        """
        self.write("app/part.py", names, '@path("/part")', "class Part(Controller):", *parts)
        application = self.application()
        application.register_controller(self.load("app.part").Part)
        return application


@contextmanager
def project_in(folder: Path) -> Iterator[Project]:
    """Make a folder importable, and forget at the end what was imported from it."""
    sys.path.insert(0, str(folder))
    made = Project(folder)
    try:
        yield made
    finally:
        sys.path.remove(str(folder))
        made.forget()


def run_snippet(text: str, **names: Any) -> dict[str, Any]:
    """Execute text in a module of its own and return what it defines."""
    module = types.ModuleType("app_snippet")
    vars(module).update(names)
    exec(compile(text, "app_snippet", "exec", dont_inherit=True), vars(module))
    return vars(module)
