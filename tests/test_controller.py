"""What controllers and their decorators promise to those who write and call them."""

import dataclasses
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

import patera.controller
from patera import HttpStatus, MediaType, Patera, Request, Response
from patera.controller import (
    Controller,
    Descriptor,
    after_request,
    before_request,
    consumes,
    cors,
    delete,
    development,
    get,
    max_content_length,
    no_cors,
    open_api_docs,
    patch,
    path,
    post,
    produces,
    put,
)
from patera.exceptions import ConfigurationError
from patera.testing import PateraTestClient

MakeApp = Callable[..., Patera]
Connect = Callable[[Patera], Awaitable[PateraTestClient]]

VERBS = {"GET": get, "POST": post, "PUT": put, "PATCH": patch, "DELETE": delete}


# Verbs and paths


@pytest.mark.parametrize("method", VERBS)
async def test_verb_answers_its_method_alone(make_app: MakeApp, client: Connect, method: str) -> None:
    class Api(Controller):
        @VERBS[method]("/x")
        async def endpoint(self, req: Request) -> Response:
            return req.res.text(req.method)

    http = await client(make_app(Api))
    answers = {verb: (await http.request(verb, "/x")).status_code for verb in VERBS}
    assert answers == {verb: 200 if verb == method else 405 for verb in VERBS}


@pytest.mark.parametrize("name", ["GET", "POST", "PUT", "PATCH", "DELETE", "SOCKET"])
def test_verb_in_upper_case_is_the_same_decorator(name: str) -> None:
    assert getattr(patera.controller, name) is getattr(patera.controller, name.lower())


async def test_verb_without_arguments_answers_the_controllers_path(make_app: MakeApp, client: Connect) -> None:
    @path("/users")
    class Api(Controller):
        @get()
        async def index(self, req: Request) -> Response:
            return req.res.text("index")

    assert (await (await client(make_app(Api))).get("/users")).text == "index"


async def test_verbs_stacked_all_answer(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/a")
        @get("/b")
        @post("/a")
        async def endpoint(self, req: Request) -> Response:
            return req.res.text(f"{req.method} {req.path}")

    http = await client(make_app(Api))
    answers = [(await http.get("/a")).text, (await http.get("/b")).text, (await http.post("/a")).text]
    assert answers == ["GET /a", "GET /b", "POST /a"]


@pytest.mark.parametrize(
    ("prefix", "rest", "url"),
    [
        ("/users", "/list", "/users/list"),
        ("/users/", "/list", "/users/list"),
        ("users", "list", "/users/list"),
        ("/", "/list", "/list"),
        ("", "", "/"),
        ("/users", "/", "/users/"),
        ("/users/<int:user_id>", "/posts", "/users/3/posts"),
    ],
)
async def test_path_of_endpoint_is_prefix_and_rest(
    make_app: MakeApp, client: Connect, prefix: str, rest: str, url: str
) -> None:
    @path(prefix)
    class Api(Controller):
        @get(rest)
        async def endpoint(self, req: Request, **values: Any) -> Response:
            return req.res.text("found")

    assert (await (await client(make_app(Api))).get(url)).text == "found"


async def test_controller_without_path_stands_at_the_root(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/about")
        async def about(self, req: Request) -> Response:
            return req.res.text("about")

    assert (await (await client(make_app(Api))).get("/about")).text == "about"


async def test_controllers_on_one_path_all_answer(make_app: MakeApp, client: Connect) -> None:
    @path("/users")
    class Reading(Controller):
        @get("/")
        async def index(self, req: Request) -> Response:
            return req.res.text("read")

    @path("/users")
    class Writing(Controller):
        @post("/")
        async def create(self, req: Request) -> Response:
            return req.res.text("written")

    http = await client(make_app(Reading, Writing))
    assert ((await http.get("/users/")).text, (await http.post("/users/")).text) == ("read", "written")


async def test_controller_knows_its_application(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        async def name(self, req: Request) -> Response:
            return req.res.text(self.app.app_name)

    assert (await (await client(make_app(Api, APP_NAME="Shop"))).get("/")).text == "Shop"


async def test_def_endpoint_runs_in_a_worker_thread(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        def work(self, req: Request) -> Response:
            return req.res.json(threading.current_thread() is threading.main_thread())

    assert (await (await client(make_app(Api))).get("/")).json() is False


async def test_endpoints_without_decorator_are_plain_methods(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text(self.helper())

        def helper(self) -> str:
            return "helped"

    http = await client(make_app(Api))
    assert ((await http.get("/")).text, (await http.get("/helper")).status_code) == ("helped", 404)


@pytest.mark.parametrize(
    "decorator",
    [
        get("/"),
        consumes(MediaType.APPLICATION_JSON),
        produces(MediaType.APPLICATION_JSON),
        open_api_docs(Descriptor()),
        max_content_length(1),
        before_request,
        after_request,
        development,
        no_cors,
        cors(allow_origins=["*"]),
    ],
)
def test_decorator_returns_the_method_itself(decorator: Callable[[Any], Any]) -> None:
    async def method(self: Any, req: Request, user_id: int) -> None: ...

    assert decorator(method) is method
    assert list(inspect.signature(method).parameters) == ["self", "req", "user_id"]


def test_same_method_and_path_twice_names_both_places(make_app: MakeApp) -> None:
    class Api(Controller):
        @get("/x")
        async def first(self, req: Request) -> None: ...

        @get("/x")
        async def second(self, req: Request) -> None: ...

    with pytest.raises(ConfigurationError, match=r"PAT202 .*Api\.second(?s:.)*Api\.first .*test_controller\.py:\d+"):
        make_app(Api).build()


# Descriptor


class Problem(BaseModel):
    message: str


def test_descriptor_has_documented_defaults() -> None:
    descriptor = Descriptor()
    found = (descriptor.status, descriptor.description, descriptor.media_type, descriptor.body)
    assert found == (HttpStatus.BAD_REQUEST, None, MediaType.APPLICATION_JSON, None)


def test_descriptor_has_what_it_is_given() -> None:
    descriptor = Descriptor(HttpStatus.NOT_FOUND, "No user", MediaType.APPLICATION_PROBLEM_JSON, Problem)
    found = (descriptor.status, descriptor.description, descriptor.media_type, descriptor.body)
    assert found == (HttpStatus.NOT_FOUND, "No user", MediaType.APPLICATION_PROBLEM_JSON, Problem)


@pytest.mark.parametrize(("status", "known"), [(404, HttpStatus.NOT_FOUND), (499, 499)])
def test_descriptor_takes_a_number_as_status(status: int, known: int) -> None:
    found = Descriptor(status).status
    assert (found, type(found)) == (known, type(known))


def test_descriptor_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Descriptor().status = 500  # type: ignore[misc]


def test_descriptors_stacked_are_all_kept(make_app: MakeApp) -> None:
    class Api(Controller):
        @get("/")
        @open_api_docs(Descriptor(404), Descriptor(409))
        @open_api_docs(Descriptor(410))
        async def show(self, req: Request) -> None: ...

    (endpoint,) = [each for each in make_app(Api).plan.endpoints if each.name == "Api.show"]
    assert [descriptor.status for descriptor in endpoint.descriptors] == [404, 409, 410]


# `@development`


class Trying(Controller):
    @get("/try")
    @development
    async def show(self, req: Request) -> Response:
        return req.res.text("tried")


@development
@path("/lab")
class Lab(Controller):
    @get("/")
    async def show(self, req: Request) -> Response:
        return req.res.text("tried")


@pytest.mark.parametrize(("controller", "url"), [(Trying, "/try"), (Lab, "/lab/")])
@pytest.mark.parametrize(("debug", "status"), [(True, 200), (False, 404)])
async def test_development_code_is_there_in_debug_only(
    make_app: MakeApp, client: Connect, controller: type[Controller], url: str, debug: bool, status: int
) -> None:
    assert (await (await client(make_app(controller, DEBUG=debug))).get(url)).status_code == status


@pytest.mark.parametrize("endpoint", ["Trying.show", "Lab.show"])
def test_development_code_outside_debug_is_unknown_to_url_for(make_app: MakeApp, endpoint: str) -> None:
    with pytest.raises(ValueError, match=endpoint):
        make_app(Trying, Lab, DEBUG=False).url_for(endpoint)


async def test_development_controller_outside_debug_is_not_made(make_app: MakeApp) -> None:
    @development
    class Broken(Controller):
        def __init__(self, app: Patera) -> None:
            raise OSError("only on my machine")

    make_app(Broken, DEBUG=False).build()


# Hooks


async def test_hooks_change_request_and_response_in_place(make_app: MakeApp, client: Connect) -> None:
    class Api(Controller):
        @before_request
        async def note(self, req: Request) -> None:
            req.state.user = "Ada"

        @get("/")
        async def show(self, req: Request) -> Response:
            return req.res.text(req.state.user)

        @after_request
        async def stamp(self, res: Response) -> None:
            res.headers["x-served-by"] = "api"

    response = await (await client(make_app(Api))).get("/")
    assert (response.text, response.headers["x-served-by"]) == ("Ada", "api")


# Body limits


@pytest.mark.parametrize(("limit", "status"), [(5, 200), (4, 413), (None, 200)])
async def test_max_content_length_of_endpoint_takes_the_place_of_the_global_one(
    make_app: MakeApp, client: Connect, limit: int | None, status: int
) -> None:
    class Api(Controller):
        @post("/")
        @max_content_length(limit)
        async def upload(self, req: Request) -> Response:
            return req.res.text(str(len(await req.body())))

    http = await client(make_app(Api, MAX_CONTENT_LENGTH=2))
    assert (await http.post("/", content=b"12345")).status_code == status
