"""Where template files are found, and what is said about those that are not."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property

from jinja2 import BaseLoader, Environment, FileSystemLoader, TemplateNotFound

from .exceptions import closest

__all__ = ["LazyLoader", "MissingTemplate"]


class MissingTemplate(TemplateNotFound):
    """A template that is in none of the folders; says which ones were searched and what is similar.

    Args:
        name: The name asked for.
        loader: The loader that searched.
    """

    def __init__(self, name: str, loader: FileSystemLoader) -> None:
        super().__init__(name)
        self.directories = [os.fspath(folder) for folder in loader.searchpath]
        self._loader = loader

    def __str__(self) -> str:
        hint = closest(str(self.name), self._loader.list_templates())
        return f"No template {self.name!r} in {', '.join(self.directories)}.{hint}"


class LazyLoader(BaseLoader):
    """Opens the folders at the first template, so that extensions can add theirs until then.

    Args:
        search_path: Returns the folders, in the order in which they are searched.
    """

    def __init__(self, search_path: Callable[[], list[str]]) -> None:
        self._search_path = search_path
        self.is_open = False

    @cached_property
    def _files(self) -> FileSystemLoader:
        self.is_open = True
        return FileSystemLoader(self._search_path())

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """Return the source, the file and whether it is still current."""
        try:
            return self._files.get_source(environment, template)
        except TemplateNotFound as error:
            raise MissingTemplate(template, self._files) from error

    def list_templates(self) -> list[str]:
        """Return the names of all templates."""
        return self._files.list_templates()
