"""Streams that end, fail or go on for ever, and note when they are closed."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from tests.hostile.recording import events, tenant


async def note_tenant() -> None:
    events.append(f"background of {tenant.get()}")


def note_deferred() -> None:
    events.append("deferred")


async def numbers(name: str) -> AsyncIterator[str]:
    try:
        for number in range(3):
            yield f"{number}\n"
            await asyncio.sleep(0)
    finally:
        events.append(f"{name} closed")


async def endless(name: str) -> AsyncIterator[str]:
    try:
        while True:
            yield "tick\n"
            await asyncio.sleep(0.01)
    finally:
        events.append(f"{name} closed")


async def failing(name: str) -> AsyncIterator[str]:
    try:
        yield "first\n"
        await asyncio.sleep(0)
        raise RuntimeError("the stream broke")
    finally:
        events.append(f"{name} closed")


def blocking_numbers() -> Iterator[str]:
    try:
        while True:
            yield "tick\n" * 100
    finally:
        events.append("blocking closed")
