"""Every member of `Request` and `Response` that the document lists, with its positional arguments."""

from typing import Any

from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Controller, get, path, post, produces


@path("/exchange")
class ExchangeApi(Controller):
    @post("/<int:number>/<word>")
    async def request_members(self, req: Request, number: int, word: str) -> Response:
        req.state.passed_down = "yes"
        return req.res.json(
            {
                "route_parameters": req.route_parameters,
                "method": req.method,
                "path": req.path,
                "query_string": req.query_string,
                "header": req.headers["x-kind"],
                "query_params": dict(req.query_params),
                "user": req.user,
                "state": req.state.passed_down,
                "same_response": req.res is req.response,
            }
        )

    @get("/status")
    async def status(self, req: Request) -> Response:
        return req.res.status(HttpStatus.CREATED).text("made")

    @get("/redirect")
    async def redirect(self, req: Request) -> Response:
        return req.res.redirect("/elsewhere", HttpStatus.FOUND)

    @get("/empty")
    async def empty(self, req: Request) -> Response:
        return req.res.no_content()

    @get("/from-string")
    async def from_string(self, req: Request) -> Response:
        return await req.res.html_from_string("<p>{{ name }}</p>", {"name": "<Ada>"})

    @get("/file")
    async def file(self, req: Request) -> Response:
        return req.res.send_file(b"bytes", {"content-disposition": "attachment"})

    @get("/cookies")
    async def cookies(self, req: Request) -> Response:
        req.res.set_header("x-kind", "cookies")
        req.res.set_cookie("theme", "dark", 60, "/exchange", None, False, True)
        return req.res.delete_cookie("old", "/", None).json(None)

    @get("/template/<int:user_id>")
    @produces(MediaType.TEXT_HTML)
    async def get_user(self, req: Request, user_id: int) -> Response:
        """Returns a user by user_id"""
        context: dict[str, Any] = {"user_id": user_id}

        return await (req.response.html("my_template.html", context)).status(HttpStatus.OK)

    @get("/image")
    async def image(self, req: Request) -> Response:
        return req.res.text(self.app.url_for("Static.get", filename="my_image.png"))
