"""Controllers, descriptors, `@development`: the request handling snippets of the document."""

from pydantic import BaseModel

from patera import HttpStatus, MediaType, Request, Response
from patera.controller import (
    Controller,
    Descriptor,
    consumes,
    delete,
    development,
    get,
    open_api_docs,
    patch,
    path,
    post,
    produces,
    put,
)


class UserData(BaseModel):
    email: str
    fullname: str


class ErrorResponse(BaseModel):
    message: str


class TestModel(BaseModel):
    __test__ = False

    fullname: str
    age: int


class ResponseModel(BaseModel):
    message: str
    status: str
    data: TestModel | None = None


@path("/api/v1/users")
class UsersApi(Controller):
    @get("/<int:user_id>")
    @produces(MediaType.APPLICATION_JSON)
    async def get_user(self, req: Request, user_id: int) -> Response:
        """Returns a user by user_id"""
        return req.response.json({"id": user_id, "fullname": "John Doe", "email": "johndoe@email.com"}).status(
            HttpStatus.OK
        )

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON)
    async def create_user(self, req: Request, user_data: UserData) -> Response[UserData]:
        """Creates new user"""
        return req.response.json(user_data).status(HttpStatus.CREATED)


@path(url_path="/api/v1/models", open_api_spec=True, tags=["Models"])
class ModelsApi(Controller):
    @post(url_path="/", open_api_spec=True, tags=["Created"])
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON)
    async def create_user(self, req: Request, data: TestModel) -> Response[ResponseModel]:
        """Consumes and produces json"""
        return req.response.json(ResponseModel(message="User added", status="success", data=data))

    @get("/<int:user_id>")
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(
        Descriptor(status=HttpStatus.NOT_FOUND, description="User not found", body=ErrorResponse),
        Descriptor(status=HttpStatus.BAD_REQUEST, description="Bad request", body=ErrorResponse),
    )
    async def get_user(self, req: Request, user_id: int) -> Response[ResponseModel]:
        """Endpoint logic"""
        return req.response.json({"message": f"User {user_id}", "status": "success"})

    @put("/<int:user_id>")
    @patch("/<int:user_id>")
    async def change_user(self, req: Request, user_id: int) -> Response:
        """Two verbs on one method"""
        return req.response.text(f"{req.method} {user_id}")

    @delete("/<int:user_id>", open_api_spec=False, tags=None)
    async def delete_user(self, req: Request, user_id: int) -> Response:
        """Not in the specifications"""
        return req.response.no_content()

    @get("/unfinished")
    @development
    async def unfinished(self, req: Request) -> Response:
        """Only in DEBUG"""
        return req.response.text("not ready")


@development
@path("/api/v1/unfinished", open_api_spec=False)
class UnfinishedApi(Controller):
    @get("/")
    async def show(self, req: Request) -> Response:
        """Only in DEBUG"""
        return req.response.text("not ready")
