"""The comments of a post: as JSON, over a websocket, and as a stream of events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from app.api.api_controller import ApiController, ErrorBody
from app.comments import add_comment, require_post
from app.exceptions.custom_exceptions import BlogIsReadOnly
from app.extensions import db, live
from app.models.post_model import Comment, Post
from patera import HttpStatus, MediaType, Request, Response
from patera.controller import Controller, Descriptor, consumes, get, open_api_docs, path, post, produces, socket
from patera.database.sql import AsyncSession
from patera.response import ServerSentEvent

NOT_FOUND = Descriptor(HttpStatus.NOT_FOUND, "Post not found", body=ErrorBody)

#: Less than the time after which proxies give up on a silent connection.
KEEP_ALIVE_SECONDS = 20


class CommentData(BaseModel):
    """A new comment."""

    author: str = Field(min_length=1, max_length=100)
    text: str = Field(min_length=1, max_length=2_000)


class CommentOut(BaseModel):
    """A comment as the API shows it."""

    id: int
    post_id: int
    author: str
    text: str
    created_at: datetime


@path("/api/v1/posts/<int:post_id>/comments", tags=["Comments"])
class CommentsApi(ApiController):
    """Comments, stored and live."""

    @get("/")
    @produces(MediaType.APPLICATION_JSON)
    @open_api_docs(NOT_FOUND)
    @db.readonly_session
    async def get_comments(self, req: Request, post_id: int, session: AsyncSession) -> Response[list[CommentOut]]:
        """Return all comments of a post."""
        await Post.query(session).get_or_404(post_id)
        return req.res.json(await Comment.query(session).filter_by(post_id=post_id).order_by(Comment.id).all())

    @post("/")
    @consumes(MediaType.APPLICATION_JSON)
    @produces(MediaType.APPLICATION_JSON, HttpStatus.CREATED)
    @open_api_docs(NOT_FOUND)
    async def create_comment(self, req: Request, post_id: int, data: CommentData) -> Response[CommentOut]:
        """Comment on a post."""
        return req.res.json(await add_comment(post_id, data.author, data.text))

    # No test of an API can read a stream without an end, so the document leaves it out.
    @get("/feed", open_api_spec=False)
    async def feed(self, req: Request, post_id: int) -> Response:
        """Send every new comment of a post as an event."""
        await require_post(post_id)
        return req.res.sse(self._events(post_id))

    async def _events(self, post_id: int) -> AsyncIterator[ServerSentEvent]:
        with live.watch(post_id) as comments:
            yield ServerSentEvent(comment="connected")
            while True:
                try:
                    comment = await asyncio.wait_for(comments.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield ServerSentEvent(comment="keep-alive")
                else:
                    yield ServerSentEvent(_shown(comment), event="comment", id=str(comment.id))


# A class of its own: hooks of ApiController do not run for websockets.
@path("/api/v1/posts/<int:post_id>/comments")
class LiveComments(Controller):
    """Comments over a websocket."""

    @socket("/live")
    async def live(self, req: Request, post_id: int) -> None:
        """Send every new comment of a post; what the client sends becomes one."""
        if self.app.get_conf("READ_ONLY"):
            raise BlogIsReadOnly
        await require_post(post_id)
        with live.watch(post_id) as comments:
            await req.accept()
            sending = asyncio.create_task(self._send_all(req, comments))
            try:
                async for message in req.iter_json():
                    await self._take(req, post_id, message)
            finally:
                sending.cancel()

    async def _send_all(self, req: Request, comments: asyncio.Queue[Comment]) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                await req.send_json(_shown(await comments.get()))

    async def _take(self, req: Request, post_id: int, message: Any) -> None:
        try:
            data = CommentData.model_validate(message)
        except ValidationError as error:
            await req.send_json({"status": "error", "fields": [item["loc"] for item in error.errors()]})
        else:
            await add_comment(post_id, data.author, data.text)


def _shown(comment: Comment) -> CommentOut:
    return CommentOut.model_validate(comment, from_attributes=True)
