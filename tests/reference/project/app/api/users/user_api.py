from pydantic import BaseModel

from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Controller, consumes, get, path, post, produces


class UserData(BaseModel):
    email: str
    fullname: str


@path("/api/v1/users")
class UsersApi(Controller):
    @get("/")
    @produces(MediaType.APPLICATION_JSON)
    async def get_users(self, req: Request) -> Response[list[UserData]]:
        """Returns all users"""
        return req.response.json([UserData(email="johndoe@email.com", fullname="John Doe")]).status(HttpStatus.OK)

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
