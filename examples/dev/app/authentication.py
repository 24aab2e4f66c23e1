"""Who sends a request, and what that user may do."""

from typing import Any

from app.extensions import db
from app.models.post_model import Post
from app.models.user_model import Role, User
from patera.auth import Authentication, BearerLoader, SessionLoader
from patera.database.sql import AsyncSession
from patera.layer import INJECTED


class Auth(Authentication):
    """Pages know a user by the session, programs by a bearer token."""

    loaders = (SessionLoader(), BearerLoader())

    @db.readonly_session
    async def load_user(self, user_id: str, *, session: AsyncSession = INJECTED) -> User | None:
        """Return the user of a session or token."""
        return await User.query(session).get(int(user_id))

    @db.readonly_session
    async def find_user(self, email: str, *, session: AsyncSession = INJECTED) -> User | None:
        """Return the user that logs in."""
        return await User.query(session).filter_by(email=email.strip().lower()).first()

    @db.readonly_session
    async def permission_check(
        self, user: User, permission: str, obj: Any, *, session: AsyncSession = INJECTED
    ) -> bool:
        """Let users change what is their own, and an admin everything."""
        if permission == "user.change":
            return user.role == Role.ADMIN or obj == user.id
        if permission == "post.change":
            post = await Post.query(session).get_or_404(obj)
            return user.role == Role.ADMIN or post.author_id == user.id
        return False


auth = Auth()
