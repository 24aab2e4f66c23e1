# mypy: disable-error-code="no-untyped-def"
"""Before and after request handling in controllers."""

from pydantic import BaseModel

from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Controller, after_request, before_request, get, path, produces


class ResponseModel(BaseModel):
    message: str
    status: str
    data: object | None = None


@path("/api/v1/users", tags=["Users"])
class UsersApi(Controller):
    @before_request
    async def before_request_method(self, req: Request):
        """Some before request logic"""
        req.state.steps = ["before_request_method"]

    @before_request
    async def c_second(self, req: Request):
        """Runs after the other one: alphabetical order"""
        req.state.steps.append("c_second")

    @after_request
    async def after_request_method(self, res: Response):
        """Some after request logic"""
        res.headers["x-after"] = "yes"

    @get("/")
    @produces(MediaType.APPLICATION_JSON)
    async def get_users(self, req: Request) -> Response[ResponseModel]:
        """Endpoint for returning all app users"""
        response: ResponseModel = ResponseModel(message="All users fetched.", status="success", data=req.state.steps)
        return req.response.json(response).status(HttpStatus.OK)
