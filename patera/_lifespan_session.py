"""The server's side of the lifespan protocol, for tests."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from ._types import ASGIApp, Message


class LifespanSession:
    """Starts an application up and shuts it down, all in one task of its own.

    A fixture may set up in one task and tear down in another; the application must not notice.

    Args:
        app: The ASGI application.
    """

    def __init__(self, app: ASGIApp) -> None:
        #: What the application's lifespan offers to every request.
        self.state: dict[str, Any] = {}
        self._app = app
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Wait until the application is ready.

        Raises:
            Exception: What the application's startup raised.
            RuntimeError: It failed without an exception.
        """
        task = asyncio.create_task(self._run_app(), name="lifespan")
        await self._step("startup", task)
        self._task = task

    @property
    def is_running(self) -> bool:
        """Whether the application has started and was not shut down."""
        return self._task is not None

    async def shutdown(self) -> None:
        """Wait until the running application has shut down.

        Raises:
            Exception: What the application's shutdown raised.
            RuntimeError: It failed without an exception.
        """
        assert self._task is not None
        task, self._task = self._task, None
        await self._step("shutdown", task)
        await task

    async def _run_app(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._to_app.get, self._send)
        finally:
            self._from_app.put_nowait(None)

    async def _send(self, message: Message) -> None:
        self._from_app.put_nowait(message)

    async def _step(self, step: Literal["startup", "shutdown"], task: asyncio.Task[None]) -> None:
        self._to_app.put_nowait({"type": f"lifespan.{step}"})
        try:
            message = await self._from_app.get()
        except BaseException:
            task.cancel()
            raise
        if message is None or message["type"] != f"lifespan.{step}.complete":
            await self._fail(step, message, task)

    async def _fail(self, step: str, message: Message | None, task: asyncio.Task[None]) -> None:
        await task
        text = "it ended without an answer" if message is None else message.get("message") or "no message"
        raise RuntimeError(f"the {step} of the application failed: {text}")
