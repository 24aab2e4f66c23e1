"""Routing, quick aborts and redirects."""

from pydantic import BaseModel

from patera import HttpStatus, Request, Response, abort, html_abort
from patera.controller import Controller, get, path


class UserLoginData(BaseModel):
    name: str = "nobody"


@path("/")
class RoutesApi(Controller):
    @get("/api/v1/users/<int:user_id>")
    async def by_id(self, req: Request, user_id: int) -> Response:
        return req.res.json(user_id)

    @get("/api/v1/users/<string:user_name>")
    async def by_name(self, req: Request, user_name: str) -> Response:
        return req.res.json(user_name)

    @get("/api/v1/users/<path:path>")
    async def by_path(self, req: Request, path: str) -> Response:
        return req.res.json(path)

    @get("/api/v1/missing/<int:user_id>")
    async def get_user(self, req: Request, user_id: int) -> Response:
        """Handler logic"""
        abort(msg=f"User with id {user_id} not found", status_code=HttpStatus.NOT_FOUND, status="error", data=None)

    @get("/page/missing")
    async def get_page(self, req: Request) -> Response:
        html_abort("not_found.html", HttpStatus.NOT_FOUND, {"name": "<page>"})

    @get("/api/v1/auth/login")
    async def login(self, req: Request, data: UserLoginData) -> Response:
        """Handler logic"""
        return req.response.redirect("url-for-location")

    @get("/api/v1/auth/login/<int:user_id>")
    async def login_user(self, req: Request, user_id: int) -> Response:
        """Handler logic"""
        kwargs = {"user_id": user_id}
        return req.response.redirect(self.app.url_for("RoutesApi.by_id", **kwargs))

    @get("/api/v1/auth/logout")
    async def logout(self, req: Request) -> Response:
        """The keyword arguments stand where the document has them"""
        kwargs = {"reason": "done"}
        return req.response.redirect(self.app.url_for("RoutesApi.login"), **kwargs)  # type: ignore[arg-type]
