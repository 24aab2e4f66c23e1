"""The blog for readers: HTML pages."""

from typing import Annotated

from pydantic import Field

from app.api.comments.comment_api import CommentData
from app.api.posts.post_api import PostData
from app.authentication import auth
from app.comments import add_comment
from app.extensions import db
from app.forms import Form, read_form
from app.models.post_model import Comment, Post
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Controller, get, path, post, produces
from patera.csrf import csrf_protect
from patera.database.sql import AsyncSession
from patera.sessions import flash

POSTS_PER_PAGE = 5


@path("/", open_api_spec=False)
class BlogPages(Controller):
    """The list of posts, one post with the form below it, and the form for a new one."""

    @get("/")
    @produces(MediaType.TEXT_HTML)
    @db.readonly_session
    async def index(
        self, req: Request, session: AsyncSession, page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    ) -> Response:
        """Show one page of the posts."""
        posts = await Post.query(session).order_by(Post.id.desc()).paginate(page, POSTS_PER_PAGE)
        return await req.res.html("index.html", {"posts": posts})

    @get("/posts/new")
    @produces(MediaType.TEXT_HTML)
    @auth.login_required
    async def write(self, req: Request) -> Response:
        """Show the form for a new post; who is not logged in is led to the login and back."""
        return await req.res.html("new_post.html", {"form": Form()})

    @post("/posts/new")
    @produces(MediaType.TEXT_HTML)
    @auth.login_required
    @db.managed_session
    async def add_post(self, req: Request, session: AsyncSession) -> Response:
        """Take the form of a new post."""
        form = await read_form(req, PostData)
        if form.data is None:
            return await req.res.status(HttpStatus.UNPROCESSABLE_ENTITY).html("new_post.html", {"form": form})
        added = Post(author_id=req.user.id, title=form.data.title, text=form.data.text)
        session.add(added)
        await session.flush()
        flash("Your post is published")
        return req.res.redirect(self.app.url_for("BlogPages.show_post", post_id=added.id))

    @get("/posts/<int:post_id>")
    @produces(MediaType.TEXT_HTML)
    async def show_post(self, req: Request, post_id: int) -> Response:
        """Show one post with its comments."""
        return await self._show(req, post_id, Form())

    @post("/posts/<int:post_id>")
    @produces(MediaType.TEXT_HTML)
    @csrf_protect
    async def add_comment(self, req: Request, post_id: int) -> Response:
        """Take a comment of anybody; what does not fit is shown again, with the reason."""
        form = await read_form(req, CommentData)
        if form.data is None:
            req.res.status(HttpStatus.UNPROCESSABLE_ENTITY)
            return await self._show(req, post_id, form)
        comment = await add_comment(post_id, form.data.author, form.data.text)
        return req.res.redirect(self.app.url_for("BlogPages.show_post", post_id=post_id) + f"#comment-{comment.id}")

    async def _show(self, req: Request, post_id: int, form: Form[CommentData]) -> Response:
        context = {
            "post": await Post.query().get_or_404(post_id),
            "comments": await Comment.query().filter_by(post_id=post_id).order_by(Comment.id).all(),
            "form": form,
        }
        return await req.res.html("post.html", context)
