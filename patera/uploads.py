"""Files that a client uploads."""

from __future__ import annotations

import base64
import io
import re
import shutil
import threading
import unicodedata
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, cast

from anyio import to_thread
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema
from starlette.datastructures import UploadFile

__all__ = ["UploadedFile"]

DEFAULT_CONTENT_TYPE = "application/octet-stream"

#: Bytes of a file that stay in memory; what is larger is on disk, so reading it is work for a thread.
MEMORY_SIZE = 1024 * 1024

#: Bytes of a name, in UTF-8; file systems take 255, a prefix or a suffix of the application has room.
MAX_NAME_SIZE = 200

MAX_SUFFIX_SIZE = 20

_UNSAFE_CHARACTERS = re.compile(r"[^\w.\- ]")

_DEVICE_NAME = re.compile(r"(con|prn|aux|nul|conin|conout|com\d|lpt\d)\s*(\.|$)", re.IGNORECASE)


class UploadedFile:
    """One uploaded file, from its parsing to the end of the request, which closes it.

    A file of a request is in memory up to 1 MiB and on disk above. As a field of a Pydantic model
    it takes an instance, a mapping `{"filename", "content", "content_type"}` with bytes or base64,
    or a tuple of the same; it serialises to name, type and size.

    Example:
        upload = (await req.files())["picture"]
        await upload.asave(folder / upload.safe_filename)

    Args:
        filename: The name as the client sent it. Never use it in a path; see `safe_filename`.
        content: The content.
        content_type: The media type as the client sent it.
    """

    def __init__(self, filename: str, content: bytes = b"", content_type: str | None = DEFAULT_CONTENT_TYPE) -> None:
        self.filename = filename
        self.content_type = content_type or DEFAULT_CONTENT_TYPE
        self.size = len(content)
        self._file: BinaryIO = io.BytesIO(content)
        self._lock = threading.Lock()

    @classmethod
    def wrap(cls, upload: UploadFile) -> UploadedFile:
        """Return an uploaded file over the content of Starlette's, which stays where it is.

        Args:
            upload: A file that Starlette's form parser read.
        """
        wrapped = cls(upload.filename or "", content_type=upload.content_type)
        wrapped.size = upload.size or 0
        wrapped._file = upload.file
        return wrapped

    @property
    def stream(self) -> BinaryIO:
        """The content as a binary file, with the position that `read` and `seek` use."""
        return self._file

    @property
    def safe_filename(self) -> str:
        """A bare name that is safe in a path: no folder, device or hidden file; "file" if nothing is left."""
        return _safe_name(self.filename)

    def get_stream(self) -> BinaryIO:
        """Return a new binary file over the content, with a position of its own at the start.

        Example:
            with upload.get_stream() as stream:
                rows = list(csv.reader(io.TextIOWrapper(stream, "utf-8")))
        """
        return cast("BinaryIO", io.BufferedReader(_Reader(self)))

    def read(self, size: int = -1) -> bytes:
        """Return content from the current position on, and move it.

        Args:
            size: Bytes to read at most; everything that is left below 0.
        """
        with self._lock:
            return self._file.read(size)

    async def aread(self, size: int = -1) -> bytes:
        """Read like `read`, in a thread when the content is on disk.

        Args:
            size: Bytes to read at most; everything that is left below 0.
        """
        if self.size <= MEMORY_SIZE:
            return self.read(size)
        return await to_thread.run_sync(self.read, size)

    def seek(self, pos: int, whence: int = 0) -> int:
        """Move the position and return it.

        Args:
            pos: Bytes from the place that `whence` names.
            whence: 0 for the start, 1 for the current position, 2 for the end.
        """
        with self._lock:
            self._file.seek(pos, whence)
            return self._file.tell()

    def save(self, path: str | PathLike[str]) -> None:
        """Write the whole content to a file, wherever the position is.

        Args:
            path: The file to write; an existing one is replaced.
        """
        with self.get_stream() as source, Path(path).open("wb") as target:
            shutil.copyfileobj(source, target)

    async def asave(self, path: str | PathLike[str]) -> None:
        """Save like `save`, in a thread.

        Args:
            path: The file to write; an existing one is replaced.
        """
        await to_thread.run_sync(self.save, path)

    def close(self) -> None:
        """Give up the content; the end of the request does it for a request's files."""
        self._file.close()

    def __bool__(self) -> bool:
        """Whether a file was chosen: browsers send an empty name for a file input that was left empty."""
        return bool(self.filename)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(filename={self.filename!r}, content_type={self.content_type!r}, size={self.size})"
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(_described),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if handler.mode == "validation":
            return {"type": "string", "format": "binary"}
        properties = {
            "filename": {"type": "string"},
            "content_type": {"type": "string"},
            "size": {"type": "integer"},
        }
        return {"type": "object", "properties": properties, "required": list(properties)}

    @classmethod
    def _validate(cls, value: Any) -> UploadedFile:
        if isinstance(value, cls):
            return value
        if isinstance(value, UploadFile):
            return cls.wrap(value)
        if isinstance(value, Mapping):
            return cls._assemble(value.get("filename"), value.get("content"), value.get("content_type"))
        if isinstance(value, tuple | list) and len(value) in (2, 3):
            return cls._assemble(*value)
        raise _refusal()

    @classmethod
    def _assemble(cls, filename: Any, content: Any, content_type: Any = None) -> UploadedFile:
        if isinstance(content, str):
            content = _decode_base64(content)
        if not (isinstance(filename, str) and isinstance(content, bytes) and isinstance(content_type, str | None)):
            raise _refusal()
        return cls(filename, content, content_type)


class _Reader(io.RawIOBase):
    """A position of its own in the content that all readers of an uploaded file share."""

    def __init__(self, upload: UploadedFile) -> None:
        self._upload = upload
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        file = self._upload.stream
        with self._upload._lock:
            shared = file.tell()
            file.seek(self._position)
            data = file.read(len(buffer))
            file.seek(shared)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, pos: int, whence: int = 0) -> int:
        start = (0, self._position, self._upload.size)[whence]
        self._position = max(0, start + pos)
        return self._position

    def tell(self) -> int:
        return self._position


def _safe_name(filename: str) -> str:
    # Compatibility forms first: a full-width slash would turn into a plain one later.
    name = re.split(r"[/\\]", unicodedata.normalize("NFKC", filename))[-1]
    # Hidden files, options of a command line, and what Windows drops at the end.
    name = _UNSAFE_CHARACTERS.sub("", name).lstrip("-. ").rstrip(". ").replace(" ", "_")
    if _DEVICE_NAME.match(name):
        name = f"_{name}"
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > MAX_SUFFIX_SIZE:
        return _shortened(name, MAX_NAME_SIZE) or "file"
    return _shortened(stem, MAX_NAME_SIZE - MAX_SUFFIX_SIZE - 1) + dot + suffix


def _shortened(text: str, size: int) -> str:
    return text.encode()[:size].decode("utf-8", "ignore")


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as exc:
        raise PydanticCustomError("uploaded_file", "The content should be base64") from exc


def _refusal() -> PydanticCustomError:
    return PydanticCustomError("uploaded_file", "Input should be an uploaded file")


def _described(upload: UploadedFile) -> dict[str, Any]:
    return {"filename": upload.filename, "content_type": upload.content_type, "size": upload.size}
