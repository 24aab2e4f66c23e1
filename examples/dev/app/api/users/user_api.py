"""The users, as JSON."""

from typing import Annotated

from pydantic import BaseModel

from app.api.api_controller import ApiController, ErrorBody
from app.authentication import auth
from app.extensions import db
from app.models.user_model import Avatar, User
from app.users import UserData, add_user
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
from patera.database.sql import AsyncSession
from patera.rate_limit import rate_limit

MAX_AVATAR_BYTES = 1024 * 1024
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


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
    @db.readonly_session
    async def get_users(self, req: Request, session: AsyncSession) -> Response[list[UserOut]]:
        """Return all users."""
        return req.res.json(await User.query(session).order_by(User.id).all())

    @get("/<int:user_id>")
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(Descriptor(HttpStatus.NOT_FOUND, "User not found", body=ErrorBody))
    @db.readonly_session
    async def get_user(self, req: Request, user_id: int, session: AsyncSession) -> Response[UserOut]:
        """Return one user."""
        return req.res.json(await User.query(session).get_or_404(user_id))

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON, HttpStatus.CREATED)
    @open_api_docs(Descriptor(HttpStatus.CONFLICT, "The address is in use", body=ErrorBody))
    @rate_limit("10/minute", scope="registration")
    async def create_user(self, req: Request, data: UserData) -> Response[UserOut]:
        """Add an author."""
        user = await add_user(data)
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
    @auth.permission("user.change", obj="user_id")
    @db.managed_session
    async def upload_avatar(
        self, req: Request, user_id: int, picture: Annotated[UploadedFile, File()], session: AsyncSession
    ) -> None:
        """Replace a user's picture by a PNG of at most 1 MiB."""
        user = await User.query(session).get_or_404(user_id)
        content = await picture.aread()
        if not content.startswith(PNG_SIGNATURE):
            abort("The picture must be a PNG", HttpStatus.UNSUPPORTED_MEDIA_TYPE)
        user.has_avatar = True
        await session.merge(Avatar(user_id=user.id, picture=content))

    @get("/<int:user_id>/avatar")
    @produces(MediaType.IMAGE_PNG)
    @open_api_docs(Descriptor(HttpStatus.NOT_FOUND, "No such user, or one without a picture", body=ErrorBody))
    @db.readonly_session
    async def get_avatar(self, req: Request, user_id: int, session: AsyncSession) -> bytes:
        """Return a user's picture."""
        avatar = await Avatar.query(session).get_or_404(user_id)
        return avatar.picture
