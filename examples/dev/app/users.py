"""Adding a user: the one way for the API, the form and the command line."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy.exc import IntegrityError

from app.authentication import auth
from app.exceptions.custom_exceptions import EmailInUse
from app.extensions import db
from app.models.user_model import Role, User
from patera.database.sql import AsyncSession
from patera.layer import INJECTED

#: One user is one user, however the address is written.
Email = Annotated[str, Field(max_length=200, pattern=r"^[^@\s]+@[^@\s]+$"), AfterValidator(str.lower)]


class UserData(BaseModel):
    """A new user."""

    fullname: str = Field(min_length=1, max_length=100)
    email: Email
    password: str = Field(min_length=8, max_length=200)


async def add_user(data: UserData, role: Role = Role.AUTHOR) -> User:
    """Store a user; an address that is in use is a 409."""
    # Hashing takes long: no database session waits for it.
    password_hash = await auth.acreate_password_hash(data.password)
    return await store_user(User(fullname=data.fullname, email=data.email, password_hash=password_hash, role=role))


@db.managed_session
async def store_user(user: User, *, session: AsyncSession = INJECTED) -> User:
    """Store a user whose password is hashed."""
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        raise EmailInUse(user.email) from error
    return user
