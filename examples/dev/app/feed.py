"""New comments, handed to everybody who watches a post."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.storage.blog_store import Comment

MAX_WAITING = 100


class CommentFeed:
    """The watchers of all posts, within one process."""

    def __init__(self) -> None:
        self._watchers: dict[int, set[asyncio.Queue[Comment]]] = {}

    @contextmanager
    def watch(self, post_id: int) -> Iterator[asyncio.Queue[Comment]]:
        """Give a queue that gets every new comment of a post."""
        queue: asyncio.Queue[Comment] = asyncio.Queue(MAX_WAITING)
        self._watchers.setdefault(post_id, set()).add(queue)
        try:
            yield queue
        finally:
            self._watchers[post_id].discard(queue)
            if not self._watchers[post_id]:
                del self._watchers[post_id]

    def publish(self, comment: Comment) -> None:
        """Hand a comment to the watchers of its post."""
        for queue in self._watchers.get(comment.post_id, ()):
            # Who is this slow misses comments, but holds nobody up.
            with suppress(asyncio.QueueFull):
                queue.put_nowait(comment)
