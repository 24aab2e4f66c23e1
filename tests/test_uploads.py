"""Forms and uploaded files, over plain ASGI scopes and events."""

import base64
import io
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile

from patera._types import Message
from patera.exceptions import BaseHttpException, MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from patera.request import ClientDisconnect, Request, UploadedFile

MEBIBYTE = 1024 * 1024
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=frontier"
END = b"--frontier--\r\n"


def new_request(*chunks: bytes, content_type: str | None = URLENCODED, end: Message | None = None) -> Request:
    """A request with these chunks of a body; `end` stands in for the last one's end."""
    events: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    events.append(end or {"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Message:
        return events.pop(0)

    headers = [] if content_type is None else [(b"content-type", content_type.encode("latin-1"))]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def text_part(name: str, value: str) -> bytes:
    return f'--frontier\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_part(name: str, filename: str, content: bytes, content_type: str = "text/plain") -> bytes:
    head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    return head.encode() + f"Content-Type: {content_type}\r\n\r\n".encode() + content + b"\r\n"


MakeRequest = Callable[..., Request]


@pytest.fixture
async def make_request() -> AsyncIterator[MakeRequest]:
    """Make requests like `new_request`, and end them after the test as the framework does."""
    requests: list[Request] = []

    def make(*chunks: bytes, **options: Any) -> Request:
        requests.append(new_request(*chunks, **options))
        return requests[-1]

    yield make
    for request in requests:
        await request.run_deferred()


@pytest.fixture
def temporary_files(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The temporary files that a test's requests open, in memory or on disk."""
    opened: list[Any] = []

    class Noted(tempfile.SpooledTemporaryFile[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            opened.append(self)

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", Noted)
    return opened


# Reading a form


async def test_form_of_urlencoded_body_has_decoded_fields(make_request: MakeRequest) -> None:
    form = await make_request(b"name=Zo%C3%AB+x&blank=&na", b"ked").form()
    assert dict(form) == {"name": "Zoë x", "blank": "", "naked": ""}


async def test_form_of_multipart_body_has_fields_and_starlettes_files(make_request: MakeRequest) -> None:
    form = await make_request(text_part("a", "1"), file_part("f", "x.txt", b"hi"), END, content_type=MULTIPART).form()
    assert form["a"] == "1"
    assert isinstance(form["f"], UploadFile)
    assert await form["f"].read() == b"hi"


async def test_form_field_that_is_repeated_has_first_value_and_list(make_request: MakeRequest) -> None:
    form = await make_request(b"a=1&a=2").form()
    assert (form["a"], form.getlist("a")) == ("1", ["1", "2"])


async def test_form_is_parsed_once(make_request: MakeRequest) -> None:
    request = make_request(b"a=1")
    assert await request.form() is await request.form()


async def test_form_takes_async_with(make_request: MakeRequest) -> None:
    request = make_request(file_part("f", "x", b"hi"), END, content_type=MULTIPART)
    async with request.form() as form:
        upload = form.files["f"]
    assert upload.stream.closed


async def test_form_after_body_is_parsed_from_it(make_request: MakeRequest) -> None:
    request = make_request(b"a=1")
    await request.body()
    assert (await request.form())["a"] == "1"


async def test_form_without_any_body_is_empty(make_request: MakeRequest) -> None:
    assert dict(await make_request(content_type=None).form()) == {}


async def test_form_field_that_is_missing_is_answered_with_400(make_request: MakeRequest) -> None:
    with pytest.raises(MalformedRequest, match="Missing value: a"):
        (await make_request(b"").form())["a"]


async def test_form_limits_can_be_changed(make_request: MakeRequest) -> None:
    with pytest.raises(MalformedRequest):
        await make_request(b"a=1&b=2").form(max_fields=1)


async def test_files_have_content_type_and_size(make_request: MakeRequest) -> None:
    request = make_request(file_part("f", "x.csv", b"a,b", "text/csv"), END, content_type=MULTIPART)
    upload = (await request.files())["f"]
    assert (upload.filename, upload.content_type, upload.size) == ("x.csv", "text/csv", 3)


async def test_file_without_content_type_is_octet_stream(make_request: MakeRequest) -> None:
    part = b'--frontier\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nhi\r\n'
    request = make_request(part, END, content_type=MULTIPART)
    assert (await request.files())["f"].content_type == "application/octet-stream"


async def test_file_that_is_repeated_has_first_and_list(make_request: MakeRequest) -> None:
    parts = [file_part("f", "1", b"a"), file_part("f", "2", b"b")]
    files = await make_request(*parts, END, content_type=MULTIPART).files()
    assert (files["f"].filename, [upload.filename for upload in files.getlist("f")]) == ("1", ["1", "2"])


async def test_form_and_files_has_both(make_request: MakeRequest) -> None:
    request = make_request(file_part("f", "x", b"hi"), text_part("a", "1"), END, content_type=MULTIPART)
    both = await request.form_and_files()
    assert list(both) == ["f", "a"]
    assert isinstance(both["f"], UploadedFile)


@pytest.mark.parametrize(("part", "keys"), [("form", ["a"]), ("files", ["f"]), ("form_and_files", ["a", "f"])])
async def test_get_data_returns_part_of_form(part: Any, keys: list[str], make_request: MakeRequest) -> None:
    request = make_request(text_part("a", "1"), file_part("f", "x", b"hi"), END, content_type=MULTIPART)
    assert list(await request.get_data(part)) == keys


# After it was read: Flask's spelling


async def test_form_that_was_read_is_mapping_of_texts(make_request: MakeRequest) -> None:
    request = make_request(text_part("a", "1"), file_part("f", "x", b"hi"), END, content_type=MULTIPART)
    await request.form()
    assert dict(request.form) == {"a": "1"}


async def test_form_that_was_read_converts_and_lists(make_request: MakeRequest) -> None:
    request = make_request(b"page=3&tag=a&tag=b")
    await request.load_body()
    assert request.form.get("page", 1, type=int) == 3
    assert request.form.getlist("tag") == ["a", "b"]
    assert request.form.multi_items() == [("page", "3"), ("tag", "a"), ("tag", "b")]
    assert len(request.form) == 2


async def test_files_that_were_read_are_mapping_of_same_objects(make_request: MakeRequest) -> None:
    request = make_request(file_part("f", "x", b"hi"), END, content_type=MULTIPART)
    files = await request.files()
    assert request.files["f"] is files["f"]


@pytest.mark.parametrize("name", ["form", "files"])
def test_form_before_reading_says_what_to_do(name: str, make_request: MakeRequest) -> None:
    with pytest.raises(RuntimeError, match=r"await req\.form\(\)"):
        getattr(make_request(b"a=1"), name)["a"]


async def test_form_of_body_that_was_read_as_bytes_says_what_to_do(make_request: MakeRequest) -> None:
    request = make_request(b"a=1")
    await request.body()
    with pytest.raises(RuntimeError, match=r"await req\.form\(\)"):
        request.form.get("a")


async def test_load_body_reads_form_and_files(make_request: MakeRequest) -> None:
    request = make_request(text_part("a", "1"), file_part("f", "x", b"hi"), END, content_type=MULTIPART)
    await request.load_body()
    assert (request.form["a"], request.files["f"].read(), request.data) == ("1", b"hi", b"")


async def test_load_body_of_urlencoded_form_keeps_its_bytes(make_request: MakeRequest) -> None:
    request = make_request(b"a=1")
    await request.load_body()
    assert (request.form["a"], request.data) == ("1", b"a=1")


async def test_load_body_without_body_leaves_form_empty(make_request: MakeRequest) -> None:
    request = make_request(content_type=None)
    await request.load_body()
    assert (dict(request.form), dict(request.files)) == ({}, {})


async def test_load_body_of_json_refuses_form(make_request: MakeRequest) -> None:
    request = make_request(b"{}", content_type="application/json")
    await request.load_body()
    with pytest.raises(UnsupportedMediaType):
        request.form.get("a")


# Hostile forms


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/mixed; boundary=x", None])
@pytest.mark.parametrize(
    "read", [lambda request: request.form(), Request.form_and_files, lambda request: request.files()]
)
async def test_body_that_is_no_form_is_refused(
    content_type: str | None, read: Callable[[Request], Awaitable[Any]], make_request: MakeRequest
) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read(make_request(b"{}", content_type=content_type))


@pytest.mark.parametrize("kind", [URLENCODED, MULTIPART])
@pytest.mark.parametrize(
    "parameters", ["charset=utf-16", "charset=utf-8; charset=punycode", 'x="; charset=utf-8"; charset=idna']
)
async def test_form_of_foreign_charset_is_refused(kind: str, parameters: str, make_request: MakeRequest) -> None:
    with pytest.raises(UnsupportedMediaType):
        await make_request(b"a=1", content_type=f"{kind}; {parameters}").form()


async def test_form_of_two_content_types_is_refused(make_request: MakeRequest) -> None:
    request = make_request(b"a=1")
    request.scope["headers"] = [(b"content-type", URLENCODED.encode()), (b"content-type", b"text/plain")]
    with pytest.raises(MalformedRequest):
        await request.form()


async def test_form_that_is_compressed_is_refused(make_request: MakeRequest) -> None:
    request = make_request(b"a=1")
    request.scope["headers"].append((b"content-encoding", b"gzip"))
    with pytest.raises(UnsupportedMediaType):
        await request.form()


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "x" * 300],
)
async def test_multipart_without_usable_boundary_is_refused(content_type: str, make_request: MakeRequest) -> None:
    with pytest.raises(MalformedRequest):
        await make_request(text_part("a", "1"), END, content_type=content_type).form()


WHOLE = text_part("a", "1") + file_part("f", "x.txt", b"content") + text_part("b", "2") + b"--frontier--"


@pytest.mark.parametrize("length", range(len(WHOLE)))
async def test_multipart_cut_anywhere_is_refused_and_leaves_nothing_open(
    length: int, temporary_files: list[Any], make_request: MakeRequest
) -> None:
    with pytest.raises(MalformedRequest):
        await make_request(WHOLE[:length], content_type=MULTIPART).form()
    assert all(file.closed for file in temporary_files)


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_multipart_in_small_chunks_is_read(size: int, make_request: MakeRequest) -> None:
    chunks = [WHOLE[start : start + size] for start in range(0, len(WHOLE), size)]
    assert list(await make_request(*chunks, content_type=MULTIPART).form()) == ["a", "f", "b"]


@pytest.mark.parametrize("body", [b"", b"garbage", b"\r\n\r\n", b"--other\r\n\r\n", b"--frontier\r\nbroken\r\n\r\nx"])
async def test_multipart_of_garbage_is_refused(body: bytes, make_request: MakeRequest) -> None:
    with pytest.raises(MalformedRequest):
        await make_request(body, content_type=MULTIPART).form()


async def test_multipart_part_without_name_is_refused(make_request: MakeRequest) -> None:
    with pytest.raises(MalformedRequest):
        await make_request(b"--frontier\r\nX: y\r\n\r\nz\r\n" + END, content_type=MULTIPART).form()


async def test_multipart_without_parts_is_empty(make_request: MakeRequest) -> None:
    assert dict(await make_request(END, content_type=MULTIPART).form()) == {}


async def test_multipart_with_epilogue_is_read(make_request: MakeRequest) -> None:
    request = make_request(text_part("a", "1") + END + b"ignored" * 10_000, content_type=MULTIPART)
    assert dict(await request.form()) == {"a": "1"}


@pytest.mark.parametrize("part", [text_part, lambda name, value: file_part(name, value, b"")])
async def test_multipart_of_thousand_parts_is_read(
    part: Callable[[str, str], bytes], make_request: MakeRequest
) -> None:
    body = b"".join(part(f"n{number}", "1") for number in range(1000)) + END
    assert len(await make_request(body, content_type=MULTIPART).form()) == 1000


@pytest.mark.parametrize("part", [text_part, lambda name, value: file_part(name, value, b"")])
async def test_multipart_of_too_many_parts_is_refused_and_leaves_nothing_open(
    part: Callable[[str, str], bytes], temporary_files: list[Any], make_request: MakeRequest
) -> None:
    body = b"".join(part(f"n{number}", "1") for number in range(1001)) + END
    with pytest.raises(MalformedRequest, match="Too many"):
        await make_request(body, content_type=MULTIPART).form()
    assert all(file.closed for file in temporary_files)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"&".join([b"a=1"] * 1001), URLENCODED),
        (b"a=" + b"x" * (2 * MEBIBYTE), URLENCODED),
        (b"x" * (2 * MEBIBYTE), URLENCODED),
        (text_part("a", "x" * (2 * MEBIBYTE)) + END, MULTIPART),
        (b"--frontier\r\n" + b"X: y\r\n" * 10_000 + b"\r\n" + END, MULTIPART),
        (b"--frontier\r\nX: " + b"y" * MEBIBYTE + b"\r\n\r\n" + END, MULTIPART),
    ],
    ids=["fields", "value", "name", "part", "headers", "header"],
)
async def test_form_beyond_a_limit_is_refused(body: bytes, content_type: str, make_request: MakeRequest) -> None:
    with pytest.raises(MalformedRequest):
        await make_request(body, content_type=content_type).form()


async def test_form_beyond_body_limit_is_refused_and_leaves_nothing_open(
    temporary_files: list[Any], make_request: MakeRequest
) -> None:
    request = make_request(*[file_part("f", "x", b"x" * 100)] * 10, END, content_type=MULTIPART)
    request._body_limit = 500
    with pytest.raises(PayloadTooLarge):
        await request.form()
    assert [file.closed for file in temporary_files] == [True] * 2


async def test_form_of_client_that_leaves_raises_and_leaves_nothing_open(
    temporary_files: list[Any], make_request: MakeRequest
) -> None:
    start = file_part("f", "x", b"x" * (2 * MEBIBYTE))[:-2]
    request = make_request(start, content_type=MULTIPART, end={"type": "http.disconnect"})
    with pytest.raises(ClientDisconnect):
        await request.form()
    assert [file.closed for file in temporary_files] == [True]


async def test_urlencoded_bytes_that_are_no_text_are_kept(make_request: MakeRequest) -> None:
    assert dict(await make_request(b"a=%ff&b=%00").form()) == {"a": "\ufffd", "b": "\x00"}


@given(st.binary(max_size=120), st.sampled_from([b"", WHOLE[:60], WHOLE]))
async def test_form_of_any_bytes_is_read_or_refused(tail: bytes, start: bytes) -> None:
    for content_type in (URLENCODED, MULTIPART):
        request = new_request(start + tail, content_type=content_type)
        with suppress(BaseHttpException):
            await request.form()
        await request.run_deferred()


@given(st.text(st.characters(max_codepoint=255), max_size=60))
async def test_form_of_any_content_type_is_read_or_refused(parameters: str) -> None:
    request = new_request(WHOLE, content_type=f"multipart/form-data;{parameters}")
    with suppress(BaseHttpException):
        await request.form()
    await request.run_deferred()


# Life of the files


async def test_file_past_a_mebibyte_is_on_disk(make_request: MakeRequest) -> None:
    content = bytes(range(256)) * (2 * MEBIBYTE // 256)
    request = make_request(file_part("f", "x", content), END, content_type=MULTIPART)
    upload = (await request.files())["f"]
    assert upload.stream.fileno() > 0
    assert (upload.size, await upload.aread()) == (len(content), content)
    await request.run_deferred()


async def test_files_are_closed_by_deferred_functions(make_request: MakeRequest) -> None:
    request = make_request(file_part("f", "x", b"hi"), END, content_type=MULTIPART)
    upload = (await request.files())["f"]
    await request.run_deferred()
    assert upload.stream.closed


async def test_files_are_closed_by_close(make_request: MakeRequest) -> None:
    request = make_request(file_part("f", "x", b"hi"), END, content_type=MULTIPART)
    upload = (await request.files())["f"]
    await request.close()
    assert upload.stream.closed


# UploadedFile


def test_uploaded_file_has_its_facts() -> None:
    upload = UploadedFile("x.txt", b"hello", "text/plain")
    assert (upload.filename, upload.content_type, upload.size) == ("x.txt", "text/plain", 5)
    assert repr(upload) == "UploadedFile(filename='x.txt', content_type='text/plain', size=5)"


def test_uploaded_file_without_type_is_octet_stream() -> None:
    assert UploadedFile("x", b"").content_type == "application/octet-stream"


def test_read_moves_position_and_seek_sets_it() -> None:
    upload = UploadedFile("x", b"hello")
    assert (upload.read(2), upload.read(), upload.seek(1), upload.read(1), upload.seek(-1, 2)) == (
        b"he",
        b"llo",
        1,
        b"e",
        4,
    )


def test_stream_shares_position() -> None:
    upload = UploadedFile("x", b"hello")
    upload.stream.read(2)
    assert upload.read() == b"llo"


def test_get_stream_has_position_of_its_own() -> None:
    upload = UploadedFile("x", b"hello")
    upload.read(2)
    assert (upload.get_stream().read(), upload.get_stream().read(1), upload.read()) == (b"hello", b"h", b"llo")


def test_get_stream_can_be_moved() -> None:
    stream = UploadedFile("x", b"hello").get_stream()
    positions = [stream.seek(-2, 2), stream.seek(-1, 1), stream.seek(4)]
    assert (positions, stream.read(), stream.tell()) == ([3, 2, 4], b"o", 5)


def test_get_stream_is_read_as_text() -> None:
    with UploadedFile("x", b"a\nb").get_stream() as stream:
        assert list(io.TextIOWrapper(stream, "utf-8")) == ["a\n", "b"]


def test_get_stream_that_is_closed_leaves_file_open() -> None:
    upload = UploadedFile("x", b"hello")
    upload.get_stream().close()
    assert upload.read() == b"hello"


def test_save_writes_whole_content(tmp_path: Path) -> None:
    upload = UploadedFile("x", b"hello")
    upload.read(2)
    upload.save(tmp_path / "saved")
    assert ((tmp_path / "saved").read_bytes(), upload.read()) == (b"hello", b"llo")


async def test_asave_writes_file_of_request(tmp_path: Path, make_request: MakeRequest) -> None:
    content = b"x" * (2 * MEBIBYTE)
    request = make_request(file_part("f", "x", content), END, content_type=MULTIPART)
    await (await request.files())["f"].asave(str(tmp_path / "saved"))
    await request.run_deferred()
    assert (tmp_path / "saved").read_bytes() == content


async def test_aread_of_small_file_reads_it() -> None:
    assert await UploadedFile("x", b"hello").aread(2) == b"he"


def test_close_gives_content_up() -> None:
    upload = UploadedFile("x", b"hello")
    upload.close()
    with pytest.raises(ValueError, match="closed"):
        upload.read()


def test_uploaded_file_without_name_is_false() -> None:
    assert (bool(UploadedFile("", b"")), bool(UploadedFile("x", b""))) == (False, True)


@pytest.mark.parametrize(
    ("filename", "safe"),
    [
        ("photo 1.jpg", "photo_1.jpg"),
        ("名前.txt", "名前.txt"),
        ("x.tar.gz", "x.tar.gz"),
        ("../../x", "x"),
        ("..\\..\\x", "x"),
        ("C:\\x", "x"),
        ("C:x", "Cx"),
        ("\uff0fetc\uff0fpasswd", "passwd"),
        ("NUL.txt", "_NUL.txt"),
        ("con", "_con"),
        ("COM¹.log", "_COM1.log"),
        ("com10.log", "com10.log"),
        ("a\x00b.txt", "ab.txt"),
        ("a\r\nb\u202etxt.exe", "abtxt.exe"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        ("folder/", "file"),
        (".htaccess", "htaccess"),
        ("-rf", "rf"),
        ("x.txt. ", "x.txt"),
    ],
)
def test_safe_filename_of_hostile_name_is_bare(filename: str, safe: str) -> None:
    assert UploadedFile(filename, b"").safe_filename == safe


def test_safe_filename_of_long_name_keeps_its_suffix() -> None:
    assert UploadedFile("é" * 5000 + ".png", b"").safe_filename == "é" * 89 + ".png"


def test_safe_filename_of_long_suffix_is_short() -> None:
    assert len(UploadedFile("x." + "a" * 5000, b"").safe_filename) == 200


@given(st.text(max_size=40))
def test_safe_filename_of_any_name_is_one_plain_segment(filename: str) -> None:
    name = UploadedFile(filename, b"").safe_filename
    assert name
    assert Path(name).name == name
    assert not name.startswith((".", "-"))
    assert len(name.encode()) <= 255


async def test_filename_of_traversal_is_kept_beside_the_safe_one(make_request: MakeRequest) -> None:
    request = make_request(file_part("f", "../../x", b""), END, content_type=MULTIPART)
    upload = (await request.files())["f"]
    assert (upload.filename, upload.safe_filename) == ("../../x", "x")


# As a field


class Attachment(BaseModel):
    file: UploadedFile


HELLO = base64.b64encode(b"hello").decode()


@pytest.mark.parametrize(
    "value",
    [
        UploadedFile("x", b"hello", "text/plain"),
        UploadFile(io.BytesIO(b"hello"), size=5, filename="x", headers=None),
        {"filename": "x", "content": b"hello"},
        {"filename": "x", "content": HELLO, "content_type": None},
        ("x", b"hello"),
        ("x", HELLO, "text/plain"),
    ],
)
def test_field_takes_file_in_every_form(value: Any) -> None:
    file = Attachment(file=value).file
    assert (file.filename, file.size, file.read()) == ("x", 5, b"hello")


def test_field_keeps_the_file_it_was_given() -> None:
    upload = UploadedFile("x", b"hello")
    assert Attachment(file=upload).file is upload


def test_field_takes_json() -> None:
    body = f'{{"file": {{"filename": "x", "content": "{HELLO}", "content_type": "text/plain"}}}}'
    assert Attachment.model_validate_json(body).file.content_type == "text/plain"


@pytest.mark.parametrize(
    "value", ["text", None, 1, ("x",), ("x", "%"), ("x", "é"), {"filename": "x"}, {"filename": 1, "content": b""}]
)
def test_field_of_something_else_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Attachment.model_validate({"file": value})
    assert caught.value.errors()[0]["type"] == "uploaded_file"


def test_field_serialises_to_name_type_and_size() -> None:
    dumped = Attachment(file=UploadedFile("x", b"hello")).model_dump(mode="json")
    assert dumped == {"file": {"filename": "x", "content_type": "application/octet-stream", "size": 5}}


def test_field_is_binary_string_in_schema_of_requests() -> None:
    assert TypeAdapter(UploadedFile).json_schema() == {"type": "string", "format": "binary"}


def test_field_is_object_in_schema_of_responses() -> None:
    schema = TypeAdapter(UploadedFile).json_schema(mode="serialization")
    assert (schema["type"], list(schema["properties"])) == ("object", ["filename", "content_type", "size"])


async def test_form_and_files_validate_as_model(make_request: MakeRequest) -> None:
    request = make_request(file_part("file", "x", b"hello"), END, content_type=MULTIPART)
    assert Attachment.model_validate(await request.form_and_files()).file.read() == b"hello"
