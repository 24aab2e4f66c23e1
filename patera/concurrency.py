"""Functions that may be sync or async, and work that goes on after the request that started it."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload
from weakref import WeakKeyDictionary

from anyio import from_thread, to_thread
from loguru import logger

from ._context import current_application, current_request, find_application

if TYPE_CHECKING:
    from contextvars import Context

    from .application import Patera

__all__ = [
    "background_tasks",
    "current_request_id",
    "run_in_background",
    "run_sync_or_async",
    "wait_for_background_tasks",
]

P = ParamSpec("P")
T = TypeVar("T")

NO_REQUEST_ID = "-"

# How long a cancelled task may take to clean up before a shutdown goes on without it.
_CANCEL_SECONDS = 5.0

# asyncio keeps weak references only: a task that nobody holds may vanish while it runs.
_tasks_by_application: WeakKeyDictionary[Any, set[asyncio.Task[Any]]] = WeakKeyDictionary()
_tasks_without_application: set[asyncio.Task[Any]] = set()

# Set in background tasks, where the request itself is over.
_id_of_starting_request: ContextVar[str] = ContextVar("patera.starting_request_id", default=NO_REQUEST_ID)


@overload
async def run_sync_or_async(func: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
async def run_sync_or_async(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...
async def run_sync_or_async(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of either kind and return its result.

    A coroutine function is awaited here. Any other function runs in a worker thread, so that it may
    block, with the context variables of the caller; an awaitable that it returns is awaited too.

    Example:
        thumbnail = await run_sync_or_async(make_thumbnail, image, width=200)

    Args:
        func: A function, method, partial or object with `__call__`.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.
    """
    if _is_async(func):
        return await func(*args, **kwargs)
    result = await to_thread.run_sync(functools.partial(func, *args, **kwargs))
    return await result if inspect.isawaitable(result) else result


@overload
def run_in_background(func: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> asyncio.Task[T]: ...
@overload
def run_in_background(func: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Task[T]: ...
def run_in_background(func: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
    """Start a function without waiting for it; a failure is logged with the request's id.

    The application holds the task, and waits for it at shutdown for
    `BACKGROUND_TASKS_SHUTDOWN_TIMEOUT` seconds. May be called from handlers of both kinds.

    The task sees the context variables as they are now, with one exception: the current request is
    gone, because it is usually over by the time the task runs. What the task needs of the request
    is passed as an argument. The current application stays known, and so does the request's id:
    every line that the task logs carries it.

    A function that is not a coroutine function runs in a worker thread. Cancelling its task does not
    stop that thread.

    Example:
        run_in_background(send_welcome, user.email, language="en")

    Args:
        func: A function, method, partial or object with `__call__`; not a coroutine.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Raises:
        TypeError: `func` cannot be called, for instance because it was called already.
        RuntimeError: There is no event loop to run the task in.
    """
    if not callable(func):
        raise _not_callable(func)
    application, context = find_application(), copy_context()
    context.run(_leave_request, application)
    start = functools.partial(_start_task, func, args, kwargs, application, context)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _start_from_thread(start, func)
    return start()


def background_tasks(app: Patera) -> set[asyncio.Task[Any]]:
    """Return the tasks that `run_in_background` started for an application and that still run.

    Example:
        running = len(background_tasks(app))

    Args:
        app: The application.
    """
    return {task for task in _tasks_by_application.get(app, ()) if not task.done()}


async def wait_for_background_tasks(app: Patera, timeout_seconds: float) -> int:
    """Let an application's background tasks end, those they start too; then cancel what is left.

    Cancelled tasks are named in one warning. A task that goes on after its cancellation is not
    waited for longer than a few seconds.

    Example:
        cancelled = await wait_for_background_tasks(app, 30)

    Args:
        app: The application.
        timeout_seconds: How long to wait before cancelling; 0 cancels at once.

    Returns:
        How many tasks were cancelled.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while (running := background_tasks(app)) and (left := deadline - loop.time()) > 0:
        await asyncio.wait(running, timeout=left)
    if running:
        names = ", ".join(sorted(task.get_name() for task in running))
        app.logger.warning("Background tasks cancelled after {} s: {}", timeout_seconds, names)
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_CANCEL_SECONDS)
    return len(running)


def current_request_id() -> str:
    """Return the id of the request this code runs for, in its threads and background tasks too, else `-`.

    Example:
        headers = {"x-request-id": current_request_id()}
    """
    request = current_request.get()
    if request is None:
        return _id_of_starting_request.get()
    identifier: bytes = request.scope.get("patera.request_id", b"")
    return identifier.decode("ascii") or NO_REQUEST_ID


def _is_async(func: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(type(func).__call__)


def _not_callable(func: Any) -> TypeError:
    hint = ""
    if inspect.iscoroutine(func):
        func.close()
        hint = f"; pass the function and its arguments: run_in_background({func.__name__}, ...)"
    return TypeError(f"run_in_background() takes a function, got {type(func).__name__}{hint}")


def _leave_request(application: Patera | None) -> None:
    _id_of_starting_request.set(current_request_id())
    current_request.set(None)
    current_application.set(application)


def _start_from_thread(start: Callable[[], asyncio.Task[Any]], func: Callable[..., Any]) -> asyncio.Task[Any]:
    try:
        return from_thread.run_sync(start)
    except RuntimeError as error:
        raise RuntimeError(
            f"run_in_background({_name_of(func)}) needs an event loop: "
            "call it from a handler, a hook, or a function that run_sync_or_async runs"
        ) from error


def _start_task(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    application: Patera | None,
    context: Context,
) -> asyncio.Task[Any]:
    tasks = _tasks_without_application
    if application is not None:
        tasks = _tasks_by_application.setdefault(application, set())
    coroutine = run_sync_or_async(func, *args, **kwargs)
    task = asyncio.get_running_loop().create_task(coroutine, name=_name_of(func), context=context)
    tasks.add(task)
    finish = functools.partial(_finish_task, tasks=tasks, application=application)
    task.add_done_callback(finish, context=context)
    return task


def _finish_task(task: asyncio.Task[Any], *, tasks: set[asyncio.Task[Any]], application: Patera | None) -> None:
    tasks.discard(task)
    # Asking for the exception also keeps asyncio from reporting it a second time.
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log = logger if application is None else application.logger
        log.opt(exception=error).error("Background task {} failed", task.get_name())


def _name_of(func: Callable[..., Any]) -> str:
    while isinstance(func, functools.partial):
        func = func.func
    return str(getattr(func, "__qualname__", type(func).__qualname__))
