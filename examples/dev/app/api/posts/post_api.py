"""The posts, as JSON."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from app.api.api_controller import ApiController, ErrorBody, Page
from app.authentication import auth
from app.extensions import db
from app.models.post_model import Post
from app.models.user_model import User
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Descriptor, Query, consumes, delete, get, open_api_docs, patch, path, post, produces
from patera.database.sql import AsyncSession

NOT_FOUND = Descriptor(HttpStatus.NOT_FOUND, "Post not found", body=ErrorBody)

Title = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class PostFilter(BaseModel):
    """Which posts are wanted."""

    page: int = Field(1, ge=1, le=1_000_000)
    per_page: int = Field(10, ge=1, le=100)
    author_id: int | None = None
    search: str = Field("", max_length=100)


class PostData(BaseModel):
    """A new post; its author is who sends it."""

    title: Title
    text: Text


class PostChanges(BaseModel):
    """What changes; the rest stays as it is."""

    title: Title | None = None
    text: Text | None = None


class PostOut(BaseModel):
    """A post as the API shows it."""

    id: int
    author_id: int
    author: str
    title: str
    text: str
    created_at: datetime


@path("/api/v1/posts", tags=["Posts"])
class PostsApi(ApiController):
    """Posts, page by page."""

    @get("/")
    @produces(MediaType.APPLICATION_JSON)
    @db.readonly_session
    async def get_posts(
        self, req: Request, filter: Annotated[PostFilter, Query()], session: AsyncSession
    ) -> Response[Page[PostOut]]:
        """Return one page of the posts, the newest first."""
        posts = Post.query(session).order_by(Post.id.desc())
        if filter.author_id is not None:
            posts = posts.where(Post.author_id == filter.author_id)
        if filter.search:
            posts = posts.where(Post.title.icontains(filter.search, autoescape=True))
        return req.res.json(await posts.paginate(filter.page, filter.per_page))

    @get("/<int:post_id>")
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(NOT_FOUND)
    @db.readonly_session
    async def get_post(self, req: Request, post_id: int, session: AsyncSession) -> Response[PostOut]:
        """Return one post."""
        return req.res.json(await Post.query(session).get_or_404(post_id))

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON, HttpStatus.CREATED)
    @auth.login_required
    @db.managed_session
    async def create_post(self, req: Request, data: PostData, session: AsyncSession) -> Response[PostOut]:
        """Add a post of the user that is logged in."""
        author = await User.query(session).get_or_404(req.user.id)
        post = Post(user=author, title=data.title, text=data.text)
        session.add(post)
        await session.flush()
        return req.res.json(post).set_header("location", self.app.url_for("PostsApi.get_post", post_id=post.id))

    @patch("/<int:post_id>")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(NOT_FOUND)
    @auth.permission("post.change", obj="post_id")
    @db.managed_session
    async def change_post(
        self, req: Request, post_id: int, changes: PostChanges, session: AsyncSession
    ) -> Response[PostOut]:
        """Change title or text of a post."""
        post = await Post.query(session).get_or_404(post_id)
        post.title = changes.title or post.title
        post.text = changes.text or post.text
        return req.res.json(post)

    @delete("/<int:post_id>")
    @produces(MediaType.NO_CONTENT)
    @open_api_docs(NOT_FOUND)
    @auth.permission("post.change", obj="post_id")
    @db.managed_session
    async def delete_post(self, req: Request, post_id: int, session: AsyncSession) -> None:
        """Remove a post and its comments."""
        await session.delete(await Post.query(session).get_or_404(post_id))
