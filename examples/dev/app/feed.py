"""New comments, handed to everybody who watches a post."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.models.post_model import Comment
from patera import BaseExtension, Patera

MAX_WAITING = 100

Watchers = dict[int, set[asyncio.Queue[Comment]]]


class LiveComments(BaseExtension):
    """The watchers of all posts, within one process; every application has its own."""

    def init_app(self, app: Patera) -> Watchers:
        """Begin without watchers."""
        return {}

    @contextmanager
    def watch(self, post_id: int) -> Iterator[asyncio.Queue[Comment]]:
        """Give a queue that gets every new comment of a post."""
        watchers: Watchers = self.state
        queue: asyncio.Queue[Comment] = asyncio.Queue(MAX_WAITING)
        watchers.setdefault(post_id, set()).add(queue)
        try:
            yield queue
        finally:
            watchers[post_id].discard(queue)
            if not watchers[post_id]:
                del watchers[post_id]

    def publish(self, comment: Comment) -> None:
        """Hand a comment to the watchers of its post."""
        for queue in self.state.get(comment.post_id, ()):
            # Who is this slow misses comments, but holds nobody up.
            with suppress(asyncio.QueueFull):
                queue.put_nowait(comment)
