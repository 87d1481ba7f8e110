"""The deadline is noted and can be asked for, but each call has its own timeout, and only that.

Every function looks careful on its own. Nobody adds up.

mistake: timeout-per-hop
fails: test_all_hops_share_one_budget, test_when_the_time_is_up_the_block_raises,
    test_the_earliest_deadline_counts, test_a_call_is_told_what_is_left,
    test_without_time_nobody_is_asked, test_a_slow_service_is_given_up,
    test_it_leaves_no_cancellation_behind, test_it_works_while_a_cancelled_task_cleans_up
"""

import asyncio
from contextlib import asynccontextmanager
from contextvars import ContextVar

_ends_at = ContextVar("ends_at", default=None)


@asynccontextmanager
async def deadline(seconds):
    now = asyncio.get_running_loop().time()
    reset = _ends_at.set(now + seconds)
    try:
        yield
    finally:
        _ends_at.reset(reset)


def time_left():
    end = _ends_at.get()
    if end is None:
        return None
    return max(end - asyncio.get_running_loop().time(), 0.0)


async def call(service, *, at_most=None):
    try:
        async with asyncio.timeout(at_most):
            return await service(at_most)
    except TimeoutError:
        if time_left() == 0.0:
            raise TimeoutError("the deadline is over") from None
        raise
