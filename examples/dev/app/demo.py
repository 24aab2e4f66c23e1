"""Something to look at in an empty blog."""

from app.authentication import auth
from app.extensions import db
from app.models.post_model import Comment, Post
from app.models.user_model import Role, User
from patera.database.sql import AsyncSession
from patera.layer import INJECTED

#: Everybody knows it; in DEBUG only.
DEMO_PASSWORD = "notes on the engine"


async def fill_if_empty(password: str) -> bool:
    """Add two users with a password, two posts and a comment to a blog without users; tell whether it was one."""
    if await User.query().exists():
        return False
    await add_demo_content(await auth.acreate_password_hash(password))
    return True


@db.managed_session
async def add_demo_content(password_hash: str, *, session: AsyncSession = INJECTED) -> None:
    """Add the content."""
    ada = User(fullname="Ada Lovelace", email="ada@example.org", role=Role.ADMIN, password_hash=password_hash)
    grace = User(fullname="Grace Hopper", email="grace@example.org", password_hash=password_hash)
    post = Post(user=ada, title="Notes on the engine", text="It weaves algebraic patterns.")
    session.add_all([ada, grace, post, Post(user=grace, title="A moth in the relay", text="The first bug was real.")])
    await session.flush()
    session.add(Comment(post_id=post.id, author="Charles", text="I wish I had said that."))
