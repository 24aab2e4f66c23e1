"""The blog for readers: HTML pages."""

from collections.abc import Mapping
from math import ceil
from typing import Annotated

from pydantic import Field, ValidationError

from app.api.comments.comment_api import CommentData
from app.extensions import blog
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Controller, get, path, post, produces

POSTS_PER_PAGE = 5

#: Templates are strict: every name that they use must have a value.
EMPTY = {"author": "", "text": ""}


@path("/", open_api_spec=False)
class BlogPages(Controller):
    """The list of posts, one post, and the form below it."""

    @get("/")
    @produces(MediaType.TEXT_HTML)
    async def index(self, req: Request, page: Annotated[int, Field(ge=1, le=1_000_000)] = 1) -> Response:
        """Show one page of the posts."""
        posts = await blog.store.list_posts(limit=POSTS_PER_PAGE, offset=(page - 1) * POSTS_PER_PAGE)
        pages = ceil(await blog.store.count_posts() / POSTS_PER_PAGE)
        return await req.res.html("index.html", {"posts": posts, "page": page, "pages": pages})

    @get("/posts/<int:post_id>")
    @produces(MediaType.TEXT_HTML)
    async def show_post(self, req: Request, post_id: int) -> Response:
        """Show one post with its comments."""
        return await self._show(req, post_id)

    @post("/posts/<int:post_id>")
    @produces(MediaType.TEXT_HTML)
    async def add_comment(self, req: Request, post_id: int) -> Response:
        """Take the form; what does not fit is shown again, with the reason."""
        fields = dict((await req.form()).fields)
        try:
            data = CommentData.model_validate(fields)
        except ValidationError as error:
            errors = {str(item["loc"][0]): item["msg"] for item in error.errors()}
            req.res.status(HttpStatus.UNPROCESSABLE_ENTITY)
            return await self._show(req, post_id, fields, errors)
        comment = await blog.add_comment(post_id, data.author, data.text)
        return req.res.redirect(self.app.url_for("BlogPages.show_post", post_id=post_id) + f"#comment-{comment.id}")

    async def _show(
        self, req: Request, post_id: int, values: Mapping[str, str] = EMPTY, errors: Mapping[str, str] = EMPTY
    ) -> Response:
        context = {
            "post": await blog.post(post_id),
            "comments": await blog.store.list_comments(post_id),
            "values": {**EMPTY, **values},
            "errors": {**EMPTY, **errors},
        }
        return await req.res.html("post.html", context)
