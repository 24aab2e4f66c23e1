"""The blog's storage and its live feed, opened and closed with the application."""

from dataclasses import dataclass

from pydantic import BaseModel

from app.exceptions.custom_exceptions import EntityNotFound
from app.feed import CommentFeed
from app.storage.blog_store import BlogStore, Comment, Post, User
from app.storage.sqlite_store import SqliteStore
from patera import BaseExtension, Patera


class BlogConfigs(BaseModel):
    """What the config dict `BLOG` may hold; `:memory:` keeps everything in memory."""

    PATH: str


@dataclass(frozen=True)
class BlogState:
    """What one application has of the blog."""

    store: BlogStore
    feed: CommentFeed


class Blog(BaseExtension):
    """Gives controllers the storage; another `BlogStore` in `init_app` replaces SQLite."""

    configs_model = BlogConfigs

    def init_app(self, app: Patera) -> BlogState:
        """Make the state of one application."""
        return BlogState(SqliteStore(self.configs["PATH"]), CommentFeed())

    async def startup(self, app: Patera) -> None:
        """Open the storage."""
        await self.store.open()

    async def shutdown(self, app: Patera) -> None:
        """Close the storage."""
        await self.store.close()

    @property
    def store(self) -> BlogStore:
        """The storage of the running application."""
        state: BlogState = self.state
        return state.store

    @property
    def feed(self) -> CommentFeed:
        """The live comments of the running application."""
        state: BlogState = self.state
        return state.feed

    async def user(self, user_id: int) -> User:
        """Return a user or answer 404."""
        user = await self.store.find_user(user_id)
        if user is None:
            raise EntityNotFound("User", user_id)
        return user

    async def post(self, post_id: int) -> Post:
        """Return a post or answer 404."""
        post = await self.store.find_post(post_id)
        if post is None:
            raise EntityNotFound("Post", post_id)
        return post

    async def add_comment(self, post_id: int, author: str, text: str) -> Comment:
        """Store a comment and show it to everybody who watches the post."""
        await self.post(post_id)
        comment = await self.store.add_comment(post_id, author, text)
        self.feed.publish(comment)
        return comment


blog = Blog()
