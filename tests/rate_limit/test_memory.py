"""Counts in memory: windows that move or stand, and no more keys than there is room for."""

from patera.rate_limit._memory import BoundedMemory


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_moving_window_forgets_each_request_after_its_time() -> None:
    clock = Clock()
    storage = BoundedMemory(clock)
    assert [await storage.acquire_entry("a", 2, 60) for _ in range(3)] == [True, True, False]
    clock.now += 30
    assert not await storage.acquire_entry("a", 2, 60)
    assert await storage.get_moving_window("a", 2, 60) == (1000.0, 2)
    clock.now += 31
    assert await storage.acquire_entry("a", 2, 60)
    assert await storage.get_moving_window("a", 2, 60) == (1061.0, 1)


async def test_fixed_window_begins_with_its_first_request() -> None:
    clock = Clock()
    storage = BoundedMemory(clock)
    assert [await storage.incr("a", 60) for _ in range(2)] == [1, 2]
    clock.now += 59
    assert (await storage.get("a"), await storage.get_expiry("a")) == (2, 1060.0)
    clock.now += 2
    assert (await storage.get("a"), await storage.incr("a", 60)) == (0, 1)


async def test_keys_that_are_over_take_no_room() -> None:
    clock = Clock()
    storage = BoundedMemory(clock)
    for number in range(50):
        await storage.acquire_entry(f"a{number}", 5, 60)
        await storage.incr(f"b{number}", 60)
    clock.now += 61
    await storage.acquire_entry("last", 5, 60)
    await storage.incr("last", 60)
    assert await storage.reset() == 2


async def test_flood_of_keys_is_bounded_and_keeps_the_latest() -> None:
    storage = BoundedMemory(Clock(), max_keys=10)
    for number in range(100):
        await storage.acquire_entry(f"a{number}", 1, 60)
        await storage.incr(f"a{number}", 60)
    assert not await storage.acquire_entry("a99", 1, 60)
    assert await storage.get("a99") == 1
    assert (await storage.reset() or 0) <= 22


async def test_cleared_key_begins_anew() -> None:
    clock = Clock()
    storage = BoundedMemory(clock)
    await storage.acquire_entry("a", 1, 60)
    await storage.incr("a", 60)
    await storage.clear("a")
    assert (await storage.acquire_entry("a", 1, 60), await storage.get("a")) == (True, 0)


async def test_moving_window_forgets_requests_one_by_one() -> None:
    clock = Clock()
    storage = BoundedMemory(clock)
    found = []
    for seconds in (0, 40, 5, 20, 10, 30):
        clock.now += seconds
        found.append(await storage.acquire_entry("a", 2, 60))
    assert found == [True, True, False, True, False, True]


async def test_memory_answers() -> None:
    storage = BoundedMemory(Clock())
    assert await storage.check()
    assert issubclass(storage.base_exceptions, Exception)
