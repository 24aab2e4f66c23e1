"""The posts, as JSON."""

from datetime import datetime
from math import ceil
from typing import Annotated

from pydantic import BaseModel, Field

from app.api.api_controller import ApiController, ErrorBody, Page
from app.extensions import blog
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Descriptor, Query, consumes, delete, get, open_api_docs, patch, path, post, produces

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
    """A new post."""

    author_id: int
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
    async def get_posts(self, req: Request, filter: Annotated[PostFilter, Query()]) -> Response[Page[PostOut]]:
        """Return one page of the posts, the newest first."""
        total = await blog.store.count_posts(author_id=filter.author_id, search=filter.search)
        posts = await blog.store.list_posts(
            limit=filter.per_page,
            offset=(filter.page - 1) * filter.per_page,
            author_id=filter.author_id,
            search=filter.search,
        )
        pages = ceil(total / filter.per_page)
        return req.res.json(
            {
                "items": posts,
                "total": total,
                "page": filter.page,
                "pages": pages,
                "per_page": filter.per_page,
                "has_next": filter.page < pages,
                "has_prev": filter.page > 1,
            }
        )

    @get("/<int:post_id>")
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(NOT_FOUND)
    async def get_post(self, req: Request, post_id: int) -> Response[PostOut]:
        """Return one post."""
        return req.res.json(await blog.post(post_id))

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON, HttpStatus.CREATED)
    @open_api_docs(Descriptor(HttpStatus.NOT_FOUND, "Author not found", body=ErrorBody))
    async def create_post(self, req: Request, data: PostData) -> Response[PostOut]:
        """Add a post."""
        author = await blog.user(data.author_id)
        post = await blog.store.add_post(author.id, data.title, data.text)
        return req.res.json(post).set_header("location", self.app.url_for("PostsApi.get_post", post_id=post.id))

    @patch("/<int:post_id>")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(NOT_FOUND)
    async def change_post(self, req: Request, post_id: int, changes: PostChanges) -> Response[PostOut]:
        """Change title or text of a post."""
        post = await blog.post(post_id)
        await blog.store.change_post(post_id, changes.title or post.title, changes.text or post.text)
        return req.res.json(await blog.post(post_id))

    @delete("/<int:post_id>")
    @produces(MediaType.NO_CONTENT)
    @open_api_docs(NOT_FOUND)
    async def delete_post(self, req: Request, post_id: int) -> None:
        """Remove a post and its comments."""
        await blog.post(post_id)
        await blog.store.remove_post(post_id)
