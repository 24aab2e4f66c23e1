"""The users, as JSON."""

from typing import Annotated

from pydantic import BaseModel, Field

from app.api.api_controller import ApiController, ErrorBody
from app.exceptions.custom_exceptions import EmailInUse, EntityNotFound
from app.extensions import blog
from app.storage.blog_store import EmailTaken, User
from patera import HttpStatus, MediaType, Request, Response, UploadedFile, abort
from patera.controller import (
    Descriptor,
    File,
    consumes,
    get,
    max_content_length,
    open_api_docs,
    path,
    post,
    produces,
    put,
)

MAX_AVATAR_BYTES = 1024 * 1024
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class UserData(BaseModel):
    """What a client says about a new user."""

    fullname: str = Field(min_length=1, max_length=100)
    email: str = Field(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$")


class UserOut(BaseModel):
    """What everybody may know of a user; the address is not part of it, and so never leaves."""

    id: int
    fullname: str
    has_avatar: bool


@path("/api/v1/users", tags=["Users"])
class UsersApi(ApiController):
    """Users and their pictures."""

    @get("/")
    @produces(MediaType.APPLICATION_JSON)
    async def get_users(self, req: Request) -> Response[list[UserOut]]:
        """Return all users."""
        return req.res.json(await blog.store.list_users())

    @get("/<int:user_id>")
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(Descriptor(HttpStatus.NOT_FOUND, "User not found", body=ErrorBody))
    async def get_user(self, req: Request, user_id: int) -> Response[UserOut]:
        """Return one user."""
        return req.res.json(await blog.user(user_id))

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON, HttpStatus.CREATED)
    @open_api_docs(Descriptor(HttpStatus.CONFLICT, "The address is in use", body=ErrorBody))
    async def create_user(self, req: Request, data: UserData) -> Response[UserOut]:
        """Add a user."""
        user = await self._add(data)
        location = self.app.url_for("UsersApi.get_user", user_id=user.id)
        return req.res.json(user).set_header("location", location)

    @put("/<int:user_id>/avatar")
    @consumes(MediaType.MULTIPART_FORM_DATA)
    @produces(MediaType.NO_CONTENT)
    @max_content_length(MAX_AVATAR_BYTES)
    @open_api_docs(
        Descriptor(HttpStatus.NOT_FOUND, "User not found", body=ErrorBody),
        Descriptor(HttpStatus.UNSUPPORTED_MEDIA_TYPE, "The picture is no PNG", body=ErrorBody),
    )
    async def upload_avatar(self, req: Request, user_id: int, picture: Annotated[UploadedFile, File()]) -> None:
        """Replace a user's picture by a PNG of at most 1 MiB."""
        await blog.user(user_id)
        content = await picture.aread()
        if not content.startswith(PNG_SIGNATURE):
            abort("The picture must be a PNG", HttpStatus.UNSUPPORTED_MEDIA_TYPE)
        await blog.store.set_avatar(user_id, content)

    @get("/<int:user_id>/avatar")
    @produces(MediaType.IMAGE_PNG)
    @open_api_docs(Descriptor(HttpStatus.NOT_FOUND, "No such user, or one without a picture", body=ErrorBody))
    async def get_avatar(self, req: Request, user_id: int) -> bytes:
        """Return a user's picture."""
        picture = await blog.store.find_avatar(user_id)
        if picture is None:
            raise EntityNotFound("Avatar of user", user_id)
        return picture

    async def _add(self, data: UserData) -> User:
        try:
            return await blog.store.add_user(data.fullname, data.email)
        except EmailTaken as error:
            raise EmailInUse(data.email) from error
