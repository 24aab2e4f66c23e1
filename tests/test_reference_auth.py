"""The authentication chapter of the reference document runs as it is written there."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import patera.auth
from patera import Patera
from patera.auth import Authentication, InvalidSignature
from patera.testing import PateraTestClient
from tests.databases import own_database
from tests.reference_document import PATH, Snippet, snippet
from tests.reference_project import Project, project_in, run_snippet
from tests.reference_signatures import assert_accepts, signatures

if not PATH.is_file():
    pytest.skip(f"the reference document is not at {PATH}", allow_module_level=True)

Connect = Callable[[Patera], Awaitable[PateraTestClient]]

#: The model of roles, which the document leaves to the reader.
ROLES = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship
from .user_model import Base, User

class Role(Base):
    __tablename__: str = "roles"

    id: Mapped[int] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))

User.roles = relationship(Role, lazy="selectin")
"""

#: What the snippets use without importing it.
NAMES = """
from typing import Any
from pydantic import BaseModel
from app.api.models import User
from app.authentication import UserRoles, auth
from app.extensions import db
from patera import HttpStatus, MediaType, Request, Response
from patera.auth import *
from patera.controller import *
from patera.exceptions import ExceptionHandler, handles

class UserData(BaseModel):
    id: int
    fullname: str
    email: str

roles = [UserRoles.ADMIN, UserRoles.SUPERUSER]
"""

HANDLERS = """
class Handlers(ExceptionHandler):
    @handles(AuthenticationException, UnauthorizedException)
    async def answer(self, req, exc):
        return req.res.json({"refused": type(exc).__name__}).status(exc.status_code)
"""

#: Their numbers in the database; the last one is nobody's.
USERS = {"ada": ["admin", "user"], "eve": ["user"], "sue": ["superuser"], "tim": []}
ADA, EVE, SUE, TIM, NOBODY = range(1, 6)


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    with project_in(tmp_path) as made:
        yield await complete(made, f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")


async def complete(made: Project, url: str) -> Project:
    """Write the application with its database and its users."""
    made.add(snippet(129), snippet(142), snippet(1103), snippet(1463))
    made.write("app/extensions.py", snippet(976).text)
    made.write("app/api/models/__init__.py", ROLES)
    made.write(f"app/{snippet(1463).file_name}", snippet(1463).text)
    made.configure(snippet(1513), snippet(997).repaired(999, r'(?<=: )".+?"', repr(url)))
    async with PateraTestClient(made.application()):
        models, db = made.load("app.api.models"), made.load("app.extensions").db
        async with db.engine.begin() as connection:
            await connection.run_sync(models.Base.metadata.create_all)
        async with db.create_session() as session:
            for name, roles in USERS.items():
                user = models.User(fullname=name, email=f"{name}@example.org")
                user.roles = [models.Role(role=role) for role in roles]
                session.add(user)
                await session.flush()
            await session.commit()
    made.forget()
    return made


def cookie(project: Project, user_id: int) -> dict[str, str]:
    """Return the header of a user that has logged in."""
    auth = project.load("app.authentication").auth
    return {"cookie": f"theme=dark; auth_cookie={auth.create_signed_cookie_value(user_id)}"}


def swapped(shown: Snippet, one: int, other: int) -> Snippet:
    """Return a snippet in which two lines have changed places."""
    return replace(shown, lines={**shown.lines, one: shown.lines[other], other: shown.lines[one]})


# The class


def test_extension_is_added_by_its_import_string(project: Project) -> None:
    application, auth = project.application(), project.load("app.authentication").auth
    assert isinstance(auth, Authentication)
    assert list(application.extensions.values())[-1] is auth


async def test_user_of_the_cookie_is_loaded(project: Project, client: Connect) -> None:
    http = await client(project.with_controller(NAMES, snippet(1523).inside(1)))
    response = await http.get(f"/part/{EVE}", headers=cookie(project, ADA))
    assert (response.status_code, response.json()) == (200, {"id": 2, "fullname": "eve", "email": "eve@example.org"})


async def test_user_of_the_cookie_is_loaded_from_postgres(tmp_path: Path, client: Connect) -> None:
    with project_in(tmp_path) as made:
        async with own_database("postgres", tmp_path) as url:
            await complete(made, url)
            async with PateraTestClient(made.with_controller(NAMES, snippet(1523).inside(1))) as http:
                statuses = [
                    (await http.get(f"/part/{EVE}", headers=cookie(made, user_id))).status_code
                    for user_id in (ADA, EVE, NOBODY)
                ]
    assert statuses == [200, 403, 401]


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [(".$", "!"), ("auth_cookie=.", "auth_cookie=x"), ("auth_cookie=.+", "auth_cookie=1"), ("auth_cookie", "other")],
)
async def test_cookie_that_was_not_signed_here_is_401(
    pattern: str, replacement: str, project: Project, client: Connect
) -> None:
    http = await client(project.with_controller(NAMES, snippet(1523).inside(1)))
    headers = {"cookie": re.sub(pattern, replacement, cookie(project, ADA)["cookie"])}
    response = await http.get("/part/1", headers=headers)
    assert (response.status_code, response.json()["message"]) == (401, "Login required")


async def test_request_without_cookie_or_of_nobody_is_401(project: Project, client: Connect) -> None:
    http = await client(project.with_controller(NAMES, snippet(1523).inside(1)))
    assert (await http.get("/part/1")).status_code == 401
    assert (await http.get("/part/1", headers=cookie(project, NOBODY))).status_code == 401


async def test_cookie_that_the_loader_cannot_split_lets_nobody_in(project: Project, client: Connect) -> None:
    http = await client(project.with_controller(NAMES, snippet(1523).inside(1)))
    assert (await http.get("/part/1", headers={"cookie": "novalue"})).status_code == 503


@pytest.mark.parametrize(("user_id", "status"), [(ADA, 200), (SUE, 200), (EVE, 403), (TIM, 403)])
@pytest.mark.parametrize("is_swapped", [False, True])
async def test_one_of_the_roles_is_needed_in_whatever_order_the_decorators_stand(
    is_swapped: bool, user_id: int, status: int, project: Project, client: Connect
) -> None:
    shown = swapped(snippet(1523), 1526, 1527) if is_swapped else snippet(1523)
    http = await client(project.with_controller(NAMES, shown.inside(1)))
    assert (await http.get("/part/1", headers=cookie(project, user_id))).status_code == status


async def test_refusals_can_be_handled(project: Project, client: Connect) -> None:
    application = project.with_controller(NAMES + HANDLERS, snippet(1523).inside(1))
    application.register_exception_handler(project.load("app.part").Handlers)
    http = await client(application)
    answers = [await http.get("/part/1"), await http.get("/part/1", headers=cookie(project, EVE))]
    assert [(answer.status_code, answer.json()["refused"]) for answer in answers] == [
        (401, "AuthenticationException"),
        (403, "UnauthorizedException"),
    ]


async def test_user_is_an_attribute_of_the_request(project: Project, client: Connect) -> None:
    method = [
        '    @get("/")',
        "    @auth.login_required",
        "    async def show(self, req: Request) -> Response:",
        "        return req.res.json(req.user.fullname)",
    ]
    http = await client(project.with_controller(NAMES, *method))
    assert (await http.get("/part", headers=cookie(project, TIM))).json() == "tim"


# Configuration


@pytest.mark.parametrize("is_written", [False, True])
async def test_messages_are_the_documented_ones(is_written: bool, project: Project, client: Connect) -> None:
    documented = run_snippet(snippet(1543).text)["AUTHENTICATION"]
    if is_written:
        project.configure(snippet(1543))
    assert await messages(project, client) == list(documented.values())


async def test_messages_can_be_changed(project: Project, client: Connect) -> None:
    project.configure(snippet(1543).repaired(1545, '(?<=: )".+?"', '"Who?"').repaired(1546, '(?<=: )".+?"', '"No."'))
    assert await messages(project, client) == ["Who?", "No."]


async def messages(project: Project, client: Connect) -> list[str]:
    """Return what a request of nobody, and one of a user without role, are told."""
    http = await client(project.with_controller(NAMES, snippet(1523).inside(1)))
    answers = [await http.get("/part/1"), await http.get("/part/1", headers=cookie(project, TIM))]
    return [answer.json()["message"] for answer in answers]


# Cookies, passwords and tokens


def test_methods_take_the_documented_arguments() -> None:
    listed = signatures(snippet(1552))
    assert len(listed) == len(snippet(1552).lines)
    for name, documented in listed.items():
        assert_accepts(getattr(Authentication, name), documented)


def test_methods_return_the_documented_types(project: Project) -> None:
    application, auth = project.application(), project.load("app.authentication").auth
    arguments: dict[str, list[Any]] = {
        "create_signed_cookie_value": [7],
        "decode_signed_cookie": [auth.create_signed_cookie_value("seven")],
        "create_password_hash": ["secret"],
        "check_password_hash": ["secret", auth.create_password_hash("secret")],
        "create_jwt_token": [{"sub": "7"}],
        "validate_jwt_token": [auth.create_jwt_token({"sub": "7"})],
    }
    kinds = dict(re.findall(r"auth\.(\w+)\(.*\) -> (\w+)", snippet(1552).text))
    results = {name: getattr(auth, name)(*given) for name, given in arguments.items()}
    assert {name: type(result).__name__ for name, result in results.items()} == {
        name: kind.replace("Dict", "dict") for name, kind in kinds.items()
    }
    assert (results["decode_signed_cookie"], results["validate_jwt_token"]["sub"]) == ("seven", "7")
    assert (results["check_password_hash"], application.extensions["AUTHENTICATION"]) == (True, auth)


def test_what_was_not_made_here_is_not_accepted(project: Project) -> None:
    application, auth = project.application(), project.load("app.authentication").auth
    assert not auth.check_password_hash("Secret", auth.create_password_hash("secret"))
    assert auth.validate_jwt_token(auth.create_jwt_token({"sub": "7"}) + "x") is None
    with pytest.raises(InvalidSignature):
        auth.decode_signed_cookie("7")
    assert application.extensions["AUTHENTICATION"] is auth


# Controllers


@pytest.mark.parametrize("is_swapped", [False, True])
async def test_class_decorators_protect_every_method(is_swapped: bool, project: Project, client: Connect) -> None:
    shown = swapped(snippet(1569), 1572, 1573) if is_swapped else snippet(1569)
    method = [
        "    @before_request",
        "    async def note(self, req: Request) -> None:",
        "        req.state.seen = req.user.fullname",
        '    @get("/")',
        "    async def show(self, req: Request) -> Response:",
        "        return req.res.json(req.state.seen)",
    ]
    project.write("app/users.py", NAMES, shown.text, *method)
    application = project.application()
    application.register_controller(project.load("app.users").UsersApi)
    http = await client(application)
    answers = [await http.get("/api/v1/users", headers=cookie(project, user_id)) for user_id in (ADA, EVE, NOBODY)]
    assert [answer.status_code for answer in answers] == [200, 403, 401]
    assert answers[0].json() == "ada"
    assert (await http.get("/api/v1/users")).status_code == 401


@pytest.mark.parametrize("name", ["login_required", "role_required"])
def test_class_decorators_can_be_imported(name: str) -> None:
    assert f"@{name}" in snippet(1569).text
    assert name in patera.auth.__all__
