"""Adding a comment: the one way for the API, the form and the websocket."""

from app.extensions import db, live
from app.models.post_model import Comment, Post
from patera.database.sql import AsyncSession
from patera.layer import INJECTED


async def add_comment(post_id: int, author: str, text: str) -> Comment:
    """Store a comment, and once it is stored show it to everybody who watches the post."""
    comment = await store_comment(post_id, author, text)
    live.publish(comment)
    return comment


@db.managed_session
async def store_comment(post_id: int, author: str, text: str, *, session: AsyncSession = INJECTED) -> Comment:
    """Store a comment on an existing post; anything else is a 404."""
    post = await Post.query(session).get_or_404(post_id)
    comment = Comment(post_id=post.id, author=author, text=text)
    session.add(comment)
    return comment


@db.readonly_session
async def require_post(post_id: int, *, session: AsyncSession = INJECTED) -> None:
    """Answer 404 unless there is such a post."""
    await Post.query(session).get_or_404(post_id)
