"""The keys that cookies and tokens are signed with, and what makes one unfit for production."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .exceptions import ConfigurationError, Mistake

if TYPE_CHECKING:
    from .application import Patera

__all__ = ["secret_key_mistakes", "secret_keys"]

#: Characters of a key that nobody guesses: 32 of hexadecimal text are 128 random bits.
MINIMUM_LENGTH = 32
#: A key of fewer different characters is `"x" * 40`, not the output of a random generator.
MINIMUM_VARIETY = 8

#: Words of keys that stand in documents and templates, without what stands between the letters.
_SAMPLE_WORDS = re.compile(
    "changeme|changethis|replaceme|replacethis|secretkey|supersecret|topsecret|mysecret|yoursecret|djangoinsecure|"
    "insecure|example|01234567|abcdefgh"
)
#: Random keys that stand in the documents of other frameworks.
_KNOWN_KEYS = frozenset(
    (
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    )
)

_ACCEPTED = f"{MINIMUM_LENGTH} random characters or more, known to nobody else"
_CHANGE = "set PATERA_SECRET_KEY to the output of: python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def secret_keys(app: Patera) -> list[str]:
    """Return the application's keys: `SECRET_KEY`, which signs, then `SECRET_KEY_FALLBACKS`, which only verify.

    Example:
        current, *older = secret_keys(app)

    Args:
        app: The application.

    Returns:
        The keys, the one that signs first. itsdangerous takes them in the reverse order, the newest last.

    Raises:
        ConfigurationError: There is no key; or, outside of DEBUG, one can be guessed.
    """
    configs = app.configs
    if not configs.get("SECRET_KEY"):
        raise ConfigurationError(_missing(f"{app.app_name}.SECRET_KEY"))
    mistakes = secret_key_mistakes(configs, app.app_name)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return [configs["SECRET_KEY"], *(configs.get("SECRET_KEY_FALLBACKS") or ())]


def secret_key_mistakes(configs: Mapping[str, Any], where: str, location: str = "") -> list[Mistake]:
    """Return what is wrong with the keys for production; nothing in DEBUG, where `secret_keys()` asks for one.

    For what needs a key to say so at build: the `mistakes()` of a layer, the `init_app()` of an extension.

    Args:
        configs: All values of the application.
        where: What needs the key, such as `module.Class.method` or an extension's name.
        location: `file:line`, where there is one.
    """
    if configs.get("DEBUG"):
        return []
    if not configs.get("SECRET_KEY"):
        return [_missing(where, location)]
    keys = {"SECRET_KEY": configs["SECRET_KEY"]}
    for number, key in enumerate(configs.get("SECRET_KEY_FALLBACKS") or ()):
        keys[f"SECRET_KEY_FALLBACKS[{number}]"] = key
    found = {name: _weakness_of(key) for name, key in keys.items()}
    return [_weak(where, location, name, weakness) for name, weakness in found.items() if weakness]


@lru_cache(maxsize=64)
def _weakness_of(key: str) -> str:
    """Return why a key can be guessed, in words that do not repeat it."""
    if len(key) < MINIMUM_LENGTH:
        return f"a key of {len(key)} characters"
    if len(set(key)) < MINIMUM_VARIETY:
        return f"a key of {len(set(key))} different characters only"
    letters = re.sub(r"[^a-z0-9]", "", key.lower())
    if key.lower() in _KNOWN_KEYS or _SAMPLE_WORDS.search(letters):
        return "a sample key, as it stands in documents and templates"
    return ""


def _missing(where: str, location: str = "") -> Mistake:
    return Mistake("PAT501", where, "no SECRET_KEY, which is needed to sign", _ACCEPTED, _CHANGE, location)


def _weak(where: str, location: str, name: str, weakness: str) -> Mistake:
    change = _CHANGE if name == "SECRET_KEY" else f"remove {name}: whoever guesses it can sign, too"
    return Mistake("PAT502", where, f"{name} is {weakness}, and DEBUG is off", _ACCEPTED, change, location)
