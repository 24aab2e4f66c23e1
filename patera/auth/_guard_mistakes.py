"""What is wrong where a decorator does not find the `Authentication` that it asks, or takes one for another."""

from __future__ import annotations

from collections.abc import Sequence

from patera.exceptions import Mistake
from patera.extension import BaseExtension

from ._configs import jwt_keys


def missing(where: str, location: str) -> Mistake:
    """Return that no `Authentication` is listed."""
    return Mistake(
        "PAT551",
        where,
        "a login is required, and there is no Authentication that knows the users",
        "one object of a subclass of patera.auth.Authentication in EXTENSIONS",
        "create auth = Auth() and list it in EXTENSIONS, or remove the decorator",
        location,
    )


def ambiguous(known: Sequence[BaseExtension], where: str, location: str) -> Mistake:
    """Return that several are listed, and none is named."""
    names = ", ".join(auth.configs_key for auth in known)
    return Mistake(
        "PAT552",
        where,
        f"a login is required, and EXTENSIONS has several Authentications: {names}",
        "a decorator that says which one decides",
        "write @login_required(auth=...), or @auth.login_required",
        location,
    )


def unlisted(auth: BaseExtension, where: str, location: str) -> Mistake:
    """Return that another one is listed than is named."""
    return Mistake(
        "PAT553",
        where,
        f"a login with {auth!r}, which EXTENSIONS does not list",
        "an Authentication of this application",
        "add its import string to EXTENSIONS",
        location,
    )


def undecided(auth: BaseExtension, where: str, location: str) -> Mistake:
    """Return that a permission is asked for which nobody decides about."""
    return Mistake(
        "PAT554",
        where,
        f"a permission is required, and {type(auth).__name__} does not decide about any",
        "permission_check(self, user, permission, obj) in that class",
        "define it, or use @role_required",
        location,
    )


def shared_keys(auth: BaseExtension, known: Sequence[BaseExtension]) -> list[Mistake]:
    """Return the `Authentication`s listed after one that would take its tokens for their own."""
    keys, audience = set(jwt_keys(auth.configs["JWT_SECRET_KEY"])), auth.configs["JWT_AUDIENCE"]
    return [
        Mistake(
            "PAT555",
            f"{other.configs_key}['JWT_SECRET_KEY']",
            f"a key that {auth.configs_key} has, too, so that the tokens of one log in at the other",
            "another key, or another JWT_AUDIENCE",
            "set one of them in one of the two",
        )
        for other in known[known.index(auth) + 1 :]
        if keys.intersection(jwt_keys(other.configs["JWT_SECRET_KEY"])) and audience == other.configs["JWT_AUDIENCE"]
    ]
