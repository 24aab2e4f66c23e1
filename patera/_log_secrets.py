"""Secrets in text that is logged: passwords, tokens, cookies and the like become `***`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from loguru import Record

MASK = "***"

# Every repetition has an upper bound: what is logged may be a client's, and as long as a client likes.
_NAME = (
    r"(?:pass(?:word|wd|phrase)|pwd|secret(?![a-z])|token(?!s)|api[_-]?key|private[_-]?key|credentials?"
    r"|session[_-]?id|csrf)[\w-]{0,32}"
)
_HEADER = r"(?:proxy-)?authorization|(?:set-)?cookie|x-api-key|x-csrf-token"

_SECRET = re.compile(
    rf"""
    (?<!http)(?<!https) :// [^:/@\s'"]{{0,256}} : (?P<uri>[^@\s]{{1,256}}) @
    | (?<=http|ttps) :// [^:/@\s'"]{{0,256}} : (?P<url>[^/@\s]{{1,256}}) @
    | \b(?:{_HEADER}) ["']? \s{{0,3}} [:=,] \s{{0,3}}
        (?: b?"(?P<h1>[^"\n]{{1,8192}})" | b?'(?P<h2>[^'\n]{{1,8192}})' | (?P<h3>[^\s"'][^\n]{{0,8192}}) )
    | {_NAME} ["']? \s{{0,3}} (?: => | = | : ) \s{{0,3}}
        (?: b?"(?P<v1>[^"\n]{{1,1024}})" | b?'(?P<v2>[^'\n]{{1,1024}})' | (?P<v3>[^\s"'&;,)\]}}]{{1,1024}}) )
    | ^ [^\n]{{0,256}}{_NAME}\n\ {{1,8}}[^\n]{{1,256}}\binput_value= (?P<input>[^\n]{{1,1024}}) (?=,\ input_type=)
    | \b(?:bearer|basic)\s{{1,3}} (?P<bearer>[\w.~+/=-]{{8,8192}})
    """,
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)

#: One of these is in every text that the pattern fits; looking for them costs a fraction of it.
_SIGNS = (
    "://",
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "credential",
    "session",
    "csrf",
    "auth",
    "cookie",
    "bear",
    "basic",
)

#: Parameters of a query string that let whoever reads them in: they stand in the access log otherwise.
_QUERY_SECRET = re.compile(
    r"([?&;](?:[\w.-]{0,32}(?:token|password|passwd|secret|api[_-]?key|signature|session)[\w.-]{0,32}"
    r"|code|state|sig|key|pwd|otp|nonce|ticket|auth|jwt|sid)=)[^&;\s\"]{1,8192}",
    re.IGNORECASE,
)


def mask_text(text: str) -> str:
    """Return a text with the secrets in it masked, in time linear in its length.

    Example:
        mask_text("postgresql://app:hunter2@db/shop") == "postgresql://app:***@db/shop"
    """
    lowered = text.lower()
    return _SECRET.sub(_masked, text) if any(sign in lowered for sign in _SIGNS) else text


def mask_query(line: str) -> str:
    """Return a line of an access log without the values of secret query parameters.

    Example:
        mask_query("GET /reset?token=abc&page=2") == "GET /reset?token=***&page=2"
    """
    return _QUERY_SECRET.sub(rf"\1{MASK}", line)


def mask_record(record: Record) -> None:
    """Mask the message of a log record, and those of its exception; the exception itself is not touched."""
    record["message"] = mask_text(record["message"])
    raised = record["exception"]
    if raised is not None and raised.value is not None:
        changed = mask_error(raised.value)
        if changed is not raised.value:
            record["exception"] = cast(Any, raised)._replace(value=changed)


def mask_error(error: BaseException, seen: frozenset[int] = frozenset()) -> BaseException:
    """Return an exception whose texts, and those of its causes, hold no secrets: itself where they hold none.

    Otherwise it is a stand-in, which looks the same in a traceback.
    """
    if id(error) in seen:
        return error
    seen |= {id(error)}
    cause = mask_error(error.__cause__, seen) if error.__cause__ is not None else None
    context = mask_error(error.__context__, seen) if error.__context__ is not None else None
    inner = [mask_error(each, seen) for each in error.exceptions] if isinstance(error, BaseExceptionGroup) else []
    text = _text_of(error)
    masked = mask_text(text)
    is_changed = masked != text or cause is not error.__cause__ or context is not error.__context__
    if isinstance(error, BaseExceptionGroup):
        if not is_changed and all(one is other for one, other in zip(inner, error.exceptions, strict=True)):
            return error
        return _linked(BaseExceptionGroup(mask_text(error.message), inner), error, cause, context)
    return _linked(_stand_in(type(error), masked), error, cause, context) if is_changed else error


def _masked(match: re.Match[str]) -> str:
    name = cast(str, match.lastgroup)
    start, end = match.span(name)
    whole = match.string
    return f"{whole[match.start() : start]}{MASK}{whole[end : match.end()]}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _stand_in(kind: type[BaseException], text: str) -> BaseException:
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__str__": lambda self: text}
    made: BaseException = type(kind.__name__, (Exception,), names)()
    return made


def _linked(
    made: BaseException, error: BaseException, cause: BaseException | None, context: BaseException | None
) -> BaseException:
    made.__traceback__ = error.__traceback__
    made.__cause__, made.__context__ = cause, context
    made.__suppress_context__ = error.__suppress_context__
    for note in getattr(error, "__notes__", ()):
        made.add_note(mask_text(str(note)))
    return made
