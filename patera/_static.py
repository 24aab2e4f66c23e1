"""Static files: what may be served, from where, and the controller that does it."""

from __future__ import annotations

import errno
import os
import re
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse
from starlette.staticfiles import StaticFiles as StarletteStaticFiles

from ._files import CheckedFile
from .controller import Controller, get, path
from .exceptions import StaticAssetNotFound
from .request import Request

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

__all__ = ["StaticFiles", "resolve_folder", "safe_join", "static_controller"]

CACHE_CONTROL = "public, max-age=300"

#: Names that Windows gives to devices in every folder, with any extension; refused on every system,
#: so that an application serves the same files wherever it runs.
DEVICE_NAME = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:[ .:].*)?", re.IGNORECASE)

#: Errors of the file system that say "there is no such file to see"; any other is a fault of the server.
NOT_THERE = {errno.EACCES, errno.EINVAL, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EPERM}


def safe_join(base: str | os.PathLike[str], *paths: str) -> str:
    """Join untrusted path parts to a folder, without ever leaving it, through a symbolic link neither.

    Example:
        safe_join("/srv/uploads", "2024", name)

    Args:
        base: The folder; it need not exist.
        *paths: Relative parts, separated by slashes on every system.

    Returns:
        The absolute path with links resolved; `base` itself where no part was given.

    Raises:
        StaticAssetNotFound: A part leads out of `base`, or no file can have such a name.
    """
    for part in paths:
        if not all(_is_plain(segment) for segment in part.split("/")):
            raise StaticAssetNotFound
    folder = os.path.realpath(base)
    target = os.path.realpath(os.path.join(folder, *paths))
    if os.path.commonpath([folder, target]) != folder:
        raise StaticAssetNotFound
    return target


def _is_plain(segment: str) -> bool:
    if segment in ("", ".", ".."):
        return False
    return "\\" not in segment and "\0" not in segment and not DEVICE_NAME.fullmatch(segment)


def resolve_folder(root_path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """Return the absolute path of a configured folder such as `STATIC_DIR = "/static"`.

    A leading slash means the application's root path. An absolute path is taken as such if no folder
    below the root path has that name, and it either exists or names something below the root path.

    Args:
        root_path: Folder of the application's module.
        folder: The configured value.
    """
    text = os.fspath(folder)
    inside = Path(root_path, text.lstrip("/\\"))
    is_absolute = os.path.isabs(text) and (os.path.isdir(text) or Path(text).is_relative_to(root_path))
    return os.path.abspath(text if is_absolute and not inside.is_dir() else inside)


class StaticFiles(StarletteStaticFiles):
    """Serves the files of one folder, which need not exist; also an ASGI application to mount.

    Starlette's, with narrower names (no hidden segment but `.well-known`, no device name, no
    backslash), a `Cache-Control` header and errors that the application's handlers see.

    Example:
        app.mount("/uploads", StaticFiles(directory="/srv/uploads"))

    Args:
        directory: The folder.
    """

    def __init__(self, *, directory: str | os.PathLike[str]) -> None:
        super().__init__(directory=directory, check_dir=False)

    async def check_config(self) -> None:
        """Accept a folder that does not exist: each of its files is a 404."""

    def get_path(self, scope: MutableMapping[str, Any]) -> str:
        """Return the path below the mount, with slashes on every system."""
        return super().get_path(scope).replace(os.sep, "/")

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """Return the answer for the file at `path` below the folder.

        Raises:
            StaticAssetNotFound: There is no such file, or it must not be seen.
            MalformedRequest: The `Range` header cannot be understood.
            BaseHttpException: 416, the range lies beyond the end of the file.
        """
        try:
            full_path, found = await anyio.to_thread.run_sync(self.lookup_path, path)
        except OSError as error:
            if error.errno not in NOT_THERE:
                raise
            raise StaticAssetNotFound from error
        if found is None or not stat.S_ISREG(found.st_mode):
            raise StaticAssetNotFound
        return self.file_response(full_path, found, scope)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Return the file's real path and its attributes."""
        if any(segment.startswith(".") and segment != ".well-known" for segment in path.split("/")):
            raise StaticAssetNotFound
        full_path = safe_join(self.directory or "", path)
        return full_path, os.stat(full_path)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: MutableMapping[str, Any],
        status_code: int = 200,
    ) -> Response:
        """Return the file, a part of it, or 304 where the client has it already."""
        headers = Headers(scope=scope)
        response = CheckedFile(full_path, status_code, {"cache-control": CACHE_CONTROL}, stat_result=stat_result)
        if self.is_not_modified(response.headers, headers):
            return NotModifiedResponse(response.headers)
        response.check_range(scope)
        return response


def static_controller(url: str) -> type[Controller]:
    """Return the controller `Static`, which serves `STATIC_DIR` below `url`.

    Args:
        url: The value of `STATIC_URL`.
    """

    @path(url, open_api_spec=False)
    class Static(Controller):
        """Serves the application's static files."""

        @cached_property
        def files(self) -> StaticFiles:
            """The files below `STATIC_DIR`."""
            return StaticFiles(directory=self.app.static_files_path)

        @get("/<path:filename>")
        async def get(self, req: Request, filename: str) -> Response:
            """Send one file, or the part of it that a `Range` header asks for."""
            return await self.files.get_response(filename, req.scope)

    return Static
