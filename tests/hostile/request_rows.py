"""Table A as data: bad requests, each with the status that it must have."""

import gzip
import zlib

from tests.hostile.wire import JSON, MULTIPART, URLENCODED, Wire

READERS = ("json", "model", "sync", "any", "list")


def post(
    row: str, target: str, body: bytes | tuple[bytes, ...], status: int | tuple[int, ...], *headers: tuple[str, str]
) -> Wire:
    return Wire(row, "POST", target, headers or (JSON,), body, status)


def get(row: str, target: str, status: int | tuple[int, ...], *headers: tuple[str, str]) -> Wire:
    return Wire(row, "GET", target, headers, status=status)


def everywhere(row: str, **bodies: bytes) -> list[Wire]:
    """Return rows of malformed JSON for each way in which an endpoint reads it."""
    return [
        post(f"{row} {name} ({reader})", f"/bodies/{reader}", body, 400)
        for name, body in bodies.items()
        for reader in READERS
    ]


def part(name: str, content: bytes = b"x", filename: str | None = None, headers: bytes = b"") -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return b"--b\r\nContent-Disposition: %s\r\n%s\r\n%s\r\n" % (disposition.encode(), headers, content)


END = b"--b--\r\n"
ORDER = b'{"name": "x"}'
DEEP = 100_000

MALFORMED_JSON = [
    *everywhere("A1", empty=b"", opened=b"{", truncated=b'{"name":', word=b"nope", followed=ORDER + b" x"),
    *everywhere("A2", bytes=b'{"name": "\xff"}', overlong=b'{"name": "\xc0\xaf"}', bom=b"\xef\xbb\xbf" + ORDER),
    *everywhere("A3", opened=b"[" * DEEP, closed=b"[" * DEEP + b"]" * DEEP, objects=b'{"note":' * DEEP),
    *everywhere(
        "A4",
        nan=b'{"name": "x", "amount": NaN}',
        infinity=b'{"name": "x", "note": Infinity}',
        negative=b'{"name": "x", "undeclared": -Infinity}',
    ),
    *everywhere(
        "A5",
        field=b'{"name": "x", "count": %s}' % (b"9" * 5000),
        ignored=b'{"name": "x", "undeclared": %s}' % (b"9" * 5000),
    ),
    *everywhere("A6", field=b'{"name": "\\ud800"}', ignored=b'{"name": "x", "undeclared": "\\udc00"}'),
]

BODIES = [
    *[
        post(f"A9 {body.decode()} ({reader})", f"/bodies/{reader}", body, 422)
        for body in (b"null", b"3", b'"x"', b"true")
        for reader in ("json", "model", "sync", "list")
    ],
    Wire("A10", "POST", "/bodies/json", (), ORDER, 415),
    Wire("A10 without @consumes", "POST", "/bodies/model", (), ORDER, 415),
    post("A11", "/bodies/json", ORDER, 415, ("content-type", "text/plain")),
    post("A11 without @consumes", "/bodies/model", ORDER, 415, ("content-type", "text/plain")),
    post("A11 urlencoded", "/bodies/json", ORDER, 415, URLENCODED),
    post("A11 multipart", "/bodies/json", ORDER, 415, MULTIPART),
    post("A11 no type", "/bodies/json", ORDER, 415, ("content-type", "json")),
    post("A11 prefix", "/bodies/json", ORDER, 415, ("content-type", "application/jsonx")),
    post("A12 charset", "/bodies/json", ORDER, 200, ("content-type", "application/json; charset=utf-8")),
    post("A12 quoted", "/bodies/json", ORDER, 200, ("content-type", 'application/json;charset="UTF-8"')),
    post("A12 case", "/bodies/json", ORDER, 200, ("content-type", "Application/JSON")),
    post("A12 suffix", "/bodies/json", ORDER, 200, ("content-type", "application/vnd.x+json")),
    post(
        "A13",
        "/bodies/json",
        ORDER.decode().encode("utf-16"),
        415,
        ("content-type", "application/json; charset=utf-16"),
    ),
    post("A13 unknown", "/bodies/json", ORDER, 415, ("content-type", "application/json; charset=punycode")),
    post("A14", "/bodies/small", b"x" * 1001, 413),
    post("A14 form", "/bodies/small-form", b"a=" + b"x" * 1001, 413, URLENCODED),
    post("A14 exactly", "/bodies/small", b"x" * 1000, 200),
    post("A15", "/bodies/small", (b"x" * 100,) * 11, 413),
    post("A15 form", "/bodies/small-form", (b"a=" + b"x" * 500, b"x" * 600), 413, URLENCODED),
    post("A15 multipart", "/bodies/small-form", (part("a", b"x" * 500), part("b", b"x" * 500), END), 413, MULTIPART),
    post("A15 stream", "/bodies/stream", (b"x" * 60_000,) * 2, 413),
    *[
        post(f"A25 {coding} ({reader})", f"/bodies/{reader}", body, 415, JSON, ("content-encoding", coding))
        for coding, body in (("gzip", gzip.compress(ORDER)), ("deflate", zlib.compress(ORDER)), ("br", ORDER))
        for reader in READERS
    ],
    post("A25 form", "/forms/read", gzip.compress(b"a=1"), 415, URLENCODED, ("content-encoding", "gzip")),
    post("A25 identity", "/bodies/json", ORDER, 200, JSON, ("content-encoding", "identity")),
    post("A27 content types", "/bodies/json", ORDER, 400, JSON, ("content-type", "text/plain")),
    post("A27 equal content types", "/bodies/json", ORDER, 400, JSON, JSON),
    post("A27 form types", "/forms/read", b"a=1", 400, URLENCODED, JSON),
]

FORMS = [
    post("A17 no boundary", "/forms/read", part("a") + END, 400, ("content-type", "multipart/form-data")),
    post("A17 empty boundary", "/forms/read", part("a") + END, 400, ("content-type", "multipart/form-data; boundary=")),
    post(
        "A17 huge boundary",
        "/forms/read",
        part("a") + END,
        400,
        ("content-type", "multipart/form-data; boundary=" + "b" * 5000),
    ),
    post("A17 garbage", "/forms/read", b"\x00\xff garbage", 400, MULTIPART),
    post("A17 empty", "/forms/read", b"", 400, MULTIPART),
    post("A17 other boundary", "/forms/read", b"--c\r\n\r\nx\r\n--c--", 400, MULTIPART),
    post("A17 no name", "/forms/read", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END, 400, MULTIPART),
    post("A17 no disposition", "/forms/read", b"--b\r\nX-Other: 1\r\n\r\nx\r\n" + END, 400, MULTIPART),
    post("A17 in a def handler", "/forms/sync", b"garbage", 400, MULTIPART),
    post("A18", "/forms/read", part("a") + part("b")[:-2], 400, MULTIPART),
    post("A18 before the last boundary", "/forms/read", part("a") + part("b"), 400, MULTIPART),
    post("A18 within the last boundary", "/forms/read", part("a") + END[:3], 400, MULTIPART),
    post(
        "A18 within a file", "/forms/multipart", part("title") + part("file", b"x" * 9000, "f.txt")[:-5], 400, MULTIPART
    ),
    post("A18 in a def handler", "/forms/sync", part("a") + part("b"), 400, MULTIPART),
    post("A19 fields", "/forms/read", part("a") * 1001 + END, 400, MULTIPART),
    post("A19 1000 fields", "/forms/read", part("a") * 1000 + END, 200, MULTIPART),
    post("A19 files", "/forms/read", part("a", filename="f") * 1001 + END, 400, MULTIPART),
    post("A19 2 MB field", "/forms/read", part("a", b"x" * 2_000_000) + END, 400, MULTIPART),
    post("A20 fields", "/forms/read", b"a=1&" * 1001, 400, URLENCODED),
    post("A20 1000 fields", "/forms/read", b"&".join([b"a=1"] * 1000), 200, URLENCODED),
    post("A20 2 MB field", "/forms/read", b"a=" + b"x" * 2_000_000, 400, URLENCODED),
    post("A20 2 MB name", "/forms/read", b"x" * 2_000_000 + b"=1", 400, URLENCODED),
    post("A20 in a def handler", "/forms/sync", b"a=1&" * 1001, 400, URLENCODED),
    post("A20 model", "/forms/urlencoded", b"name=x&" + b"tags=1&" * 1001, 400, URLENCODED),
    post("A21 preamble", "/forms/read", b"x" * 5_000_000 + b"\r\n" + part("a") + END, (200, 400), MULTIPART),
    post("A21 epilogue", "/forms/read", part("a") + END + b"x" * 5_000_000, (200, 400), MULTIPART),
    post("A21 10k part headers", "/forms/read", part("a", headers=b"X-A: 1\r\n" * 10_000) + END, 400, MULTIPART),
    post(
        "A21 1 MB part header",
        "/forms/read",
        part("a", headers=b"X-A: %s\r\n" % (b"1" * 1_000_000)) + END,
        400,
        MULTIPART,
    ),
    post("A22 5 KB", "/forms/read", part("file", filename="x" * 5000) + END, 400, MULTIPART),
    post("A24", "/forms/urlencoded", ORDER, 415),
    post("A24 multipart", "/forms/multipart", ORDER, 415),
    post("A24 read by the handler", "/forms/read", ORDER, 415),
    post("A24 in a def handler", "/forms/sync", ORDER, 415),
]


def name_ranges(count: int) -> tuple[str, str]:
    return "range", "bytes=" + ",".join(f"{index % 9}-{index % 9 + 1}" for index in range(count))


HEADERS = [
    get("A26 10k", "/read/params?" + "&".join(["a=1"] * 10_000), 400),
    get("A26 1001", "/read/query?" + "&".join(["a=1"] * 1001), 400),
    get("A26 1000", "/read/query?" + "&".join(["a=1"] * 1000), 200),
    get("A26 never read", "/paths/verbs?" + "&".join(["a=1"] * 1001), 200),
    get("A27 authorization", "/read/header", 400, ("authorization", "a"), ("authorization", "b")),
    get("A27 never read", "/paths/verbs", 200, ("authorization", "a"), ("authorization", "b")),
    Wire("A36 POST", "POST", "/paths/verbs", status=405),
    Wire("A36 TRACE", "TRACE", "/paths/verbs", status=405),
    Wire("A36 unknown", "BREW", "/paths/verbs", status=405),
    Wire("A36 nowhere", "BREW", "/nowhere", status=404),
    Wire("A38", "OPTIONS", "/paths/verbs", status=204),
    Wire("A38 nowhere", "OPTIONS", "/nowhere", status=404),
    get("A39", "/paths/verbs", 200, ("accept", "text/csv")),
    *[
        get(f"A40 {name} ({target})", target, status, header)
        for target in ("/static/digits.txt", "/output/file")
        for name, status, header in (
            ("1000 ranges", 200, name_ranges(1000)),
            ("100 ranges", 206, name_ranges(100)),
            ("50k digits", 400, ("range", "bytes=" + "9" * 50_000 + "-")),
            ("backwards", 400, ("range", "bytes=9-5")),
            ("beyond end", 416, ("range", "bytes=50-60")),
            ("nothing", 400, ("range", "bytes=")),
            ("other unit", 400, ("range", "pages=1-2")),
            ("no unit", 400, ("range", "garbage")),
        )
    ],
    *[
        get(f"A41 {name}: {value[:9]!r} ({target})", target, 200, (name, value))
        for target in ("/static/digits.txt", "/output/file")
        for name, value in (
            ("if-none-match", 'garbage,"\xff,,W/'),
            ("if-modified-since", "garbage"),
            ("if-modified-since", "Mon, 99 Foo 99999999999 99:99:99 GMT"),
            ("if-modified-since", "9" * 5000),
            ("if-range", "garbage"),
        )
    ],
    get("A45 no =", "/read/cookie", 200, ("cookie", "theme")),
    get("A45 500 cookies", "/read/cookie", 200, ("cookie", "; ".join(f"c{index}=x" for index in range(500)))),
    get("A45 quotes", "/read/cookie", 200, ("cookie", 'theme="a\\"b\\054; x="; ="";')),
    get("A45 not ASCII", "/read/cookie", 200, ("cookie", "theme=\xff\xfe; \xe9=1")),
    get("A45 two headers", "/read/cookie", 200, ("cookie", "theme=a"), ("cookie", "theme=b")),
    get("A45 octal", "/read/cookie", 200, ("cookie", 'theme="\\777\\400"')),
]

PATHS = [
    get("A33 %ff", "/paths/word/%ff", 200),
    get("A33 %00", "/paths/word/%00", 200),
    get("A33 %2f", "/paths/word/a%2fb", 404),
    get("A33 two slashes", "//paths/verbs", 200),
    get("A33 two slashes inside", "/paths//verbs", 308),
    get("A33 dot", "/./paths/verbs", 404),
    get("A33 two dots", "/nowhere/../paths/verbs", 404),
    get("A33 encoded dots", "/nowhere/%2e%2e/paths/verbs", 404),
    get("A33 bare %", "/paths/word/%", 200),
    get("A33 other host", "//evil.example/paths/verbs", 404),
    *[
        get(f"A34 {name}", f"/paths/int/{text}", 404)
        for name, text in (
            ("5000 digits", "9" * 5000),
            ("minus", "-1"),
            ("plus", "+1"),
            ("Arabic digit", "%D9%A1"),
            ("full-width digit", "%EF%BC%91"),
            ("decimal point", "1.0"),
            ("underscore", "1_0"),
            ("hexadecimal", "0x1"),
            ("space", "%201"),
            ("line break", "1%0a"),
            ("NUL", "1%00"),
        )
    ],
    get("A34 huge float", f"/paths/float/{'9' * 5000}.0", 404),
    get("A34 UUID", "/paths/uuid/" + "g" * 36, 404),
    *[
        get(f"A42 {name}", f"/static/{text}", 404)
        for name, text in (
            ("..%2f", "..%2foutside.txt"),
            ("%2e%2e/", "%2e%2e/outside.txt"),
            ("..%5c", "..%5coutside.txt"),
            ("%00", "digits.txt%00.png"),
            ("symbolic link", "link.txt"),
            ("long name", "a" * 5000),
            ("folder", "folder"),
            ("bytes", "%ff%fe"),
        )
    ],
    get("A42 //etc/passwd", "//etc/passwd", 404),
    get("A42 merged slashes", "/static//etc/passwd", 308),
    get("A42 encoded slashes", "/static/%2fetc%2fpasswd", 308),
    *[
        get(f"A43 {name}", f"/static/{name}", 404)
        for name in (".env", ".git/config", "folder/.hidden", ".well-known/.x")
    ],
    get("A43 .well-known", "/static/.well-known/security.txt", 200),
    *[get(f"A44 {name}", f"/static/{name}", 404) for name in ("nul.txt", "CON", "folder/aux.x", "com1", "lpt9.png")],
]

ROWS = [*MALFORMED_JSON, *BODIES, *FORMS, *HEADERS, *PATHS]
