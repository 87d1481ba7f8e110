"""Sets a timer that cancels the task, and forgets it when the block is over in time.

mistake: stale-wakeup
fails: test_a_block_in_time_leaves_no_timer, test_a_call_is_told_what_is_left,
    test_all_hops_share_one_budget, test_cancelled_at_any_moment_it_cleans_up
"""

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar

ends = ContextVar("ends", default=None)


def now():
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def deadline(seconds):
    task = asyncio.current_task()
    before = task.cancelling()
    expired = False

    def expire():
        nonlocal expired
        expired = True
        task.cancel()

    asyncio.get_running_loop().call_later(seconds, expire)
    token = ends.set(min(now() + seconds, ends.get() or float("inf")))
    try:
        yield
    except BaseException as error:
        ours = expired and task.uncancel() <= before
        if ours and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from None
        raise
    finally:
        ends.reset(token)


def time_left():
    return None if ends.get() is None else max(0.0, ends.get() - now())


async def call(service, *, at_most=None):
    if time_left() == 0.0:
        raise TimeoutError
    if at_most is None:
        return await service(time_left())
    async with deadline(at_most):
        return await service(time_left())
