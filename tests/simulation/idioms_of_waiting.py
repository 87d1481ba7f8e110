"""More idioms: of locks, queues, events, groups and time limits. See `idioms`."""

from __future__ import annotations

import asyncio

from .idioms import TICK, Idiom


async def one_consumer_sees_the_order_of_the_queue() -> None:
    queue: asyncio.Queue[int | None] = asyncio.Queue(maxsize=2)
    seen = []

    async def produce() -> None:
        for number in range(6):
            await queue.put(number)
        await queue.put(None)

    async def consume() -> None:
        while (number := await queue.get()) is not None:
            seen.append(number)

    await asyncio.gather(consume(), produce())
    assert seen == list(range(6))


async def a_lock_goes_to_who_waited_longest() -> None:
    lock, order = asyncio.Lock(), []

    async def work(number: int) -> None:
        for _ in range(2):
            async with lock:
                order.append(number)
                await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(3)))
    assert order == [0, 1, 2, 0, 1, 2]


async def a_condition_wakes_who_waited_longest() -> None:
    condition, woken = asyncio.Condition(), []

    async def wait(number: int) -> None:
        async with condition:
            await condition.wait()
            woken.append(number)

    waiters = [asyncio.create_task(wait(number)) for number in range(4)]
    await asyncio.sleep(0)
    async with condition:
        condition.notify(2)
    await asyncio.gather(*waiters[:2])
    assert woken == [0, 1]
    async with condition:
        condition.notify_all()
    await asyncio.gather(*waiters)
    assert woken == [0, 1, 2, 3]


async def a_semaphore_serves_in_order() -> None:
    semaphore, order = asyncio.Semaphore(2), []

    async def work(number: int) -> None:
        async with semaphore:
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(6)))
    assert order == list(range(6))


async def consumers_of_a_queue_are_served_in_order() -> None:
    queue: asyncio.Queue[str] = asyncio.Queue()
    served = {}

    async def consume(number: int) -> None:
        served[number] = await queue.get()

    consumers = [asyncio.create_task(consume(number)) for number in range(3)]
    await asyncio.sleep(0)
    for item in "abc":
        queue.put_nowait(item)
    await asyncio.gather(*consumers)
    assert list(served.items()) == [(0, "a"), (1, "b"), (2, "c")]


async def an_event_wakes_its_waiters_in_order() -> None:
    event, woken = asyncio.Event(), []

    async def wait(number: int) -> None:
        await event.wait()
        woken.append(number)

    waiters = [asyncio.create_task(wait(number)) for number in range(4)]
    await asyncio.sleep(0)
    event.set()
    await asyncio.gather(*waiters)
    assert woken == list(range(4))


async def a_task_group_stops_siblings_and_tells_all_errors() -> None:
    stopped = []

    async def sibling(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(number)

    async def fail() -> None:
        raise ValueError("no")

    errors: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as group:
            kept = [group.create_task(sibling(number)) for number in range(3)]
            group.create_task(fail())
            group.create_task(fail())
    except* ValueError as found:
        errors += found.exceptions
    assert len(errors) == 2
    assert sorted(stopped) == [0, 1, 2]
    assert all(task.cancelled() for task in kept)


async def a_time_limit_set_first_wins_over_an_equal_sleep() -> None:
    late = False
    try:
        async with asyncio.timeout(TICK):
            await asyncio.sleep(TICK)
    except TimeoutError:
        late = True
    assert late


async def the_inner_of_two_time_limits_ends_the_inner_block_only() -> None:
    async with asyncio.timeout(3600) as outer:
        inner_ended = False
        try:
            async with asyncio.timeout(TICK):
                await asyncio.Event().wait()
        except TimeoutError:
            inner_ended = True
        await asyncio.sleep(0)
    assert inner_ended
    assert not outer.expired()


async def wait_for_gives_a_result_or_a_timeout_and_leaves_nothing() -> None:
    assert await asyncio.wait_for(asyncio.sleep(0, "done"), 3600) == "done"
    before = asyncio.all_tasks()
    late = False
    try:
        await asyncio.wait_for(asyncio.Event().wait(), TICK)
    except TimeoutError:
        late = True
    assert late
    assert asyncio.all_tasks() == before


async def the_first_completed_is_the_first_to_finish() -> None:
    async def work(name: str, yields: int) -> str:
        for _ in range(yields):
            await asyncio.sleep(0)
        return name

    tasks = [asyncio.create_task(work("slow", 5)), asyncio.create_task(work("fast", 1))]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == ["fast"]
    assert [task.result() for task in [*done, *(await asyncio.wait(pending))[0]]] == [
        "fast",
        "slow",
    ]


async def as_completed_yields_the_fastest_first() -> None:
    async def work(yields: int) -> int:
        for _ in range(yields):
            await asyncio.sleep(0)
        return yields

    finished = [await result for result in asyncio.as_completed([work(3), work(9), work(6)])]
    assert finished == [3, 6, 9]


async def a_shielded_task_outlives_its_waiter() -> None:
    saved = []

    async def save() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        saved.append("row")

    saving = asyncio.create_task(save())

    async def wait() -> None:
        await asyncio.shield(saving)

    waiter = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert waiter.cancelled()
    await saving
    assert saved == ["row"]


async def a_barrier_lets_all_go_together() -> None:
    barrier, arrived, went = asyncio.Barrier(3), [], []

    async def run(number: int) -> None:
        arrived.append(number)
        await barrier.wait()
        assert len(arrived) == 3
        went.append(number)

    await asyncio.gather(*(run(number) for number in range(3)))
    assert sorted(went) == [0, 1, 2]


IDIOMS: list[Idiom] = [
    one_consumer_sees_the_order_of_the_queue,
    a_lock_goes_to_who_waited_longest,
    a_condition_wakes_who_waited_longest,
    a_semaphore_serves_in_order,
    consumers_of_a_queue_are_served_in_order,
    an_event_wakes_its_waiters_in_order,
    a_task_group_stops_siblings_and_tells_all_errors,
    a_time_limit_set_first_wins_over_an_equal_sleep,
    the_inner_of_two_time_limits_ends_the_inner_block_only,
    wait_for_gives_a_result_or_a_timeout_and_leaves_nothing,
    the_first_completed_is_the_first_to_finish,
    as_completed_yields_the_fastest_first,
    a_shielded_task_outlives_its_waiter,
    a_barrier_lets_all_go_together,
]
