"""asyncio.wait with FIRST_COMPLETED in a loop, and a clean-up that cannot be interrupted.

Looks at every task that is done, not only at one, and keeps waiting for the clean-up of the others
however often it is cancelled meanwhile.
"""

import asyncio


async def first_success(mirrors):
    if not mirrors:
        raise ValueError("no mirrors")
    pending = {asyncio.ensure_future(mirror()) for mirror in mirrors}
    everyone = set(pending)
    failures = []
    try:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            winners = [task for task in done if not task.cancelled() and task.exception() is None]
            if winners:
                return winners[0].result()
            failures.extend(task.exception() for task in done)
        raise ExceptionGroup(f"all {len(failures)} mirrors failed", failures)
    finally:
        await end(everyone)


async def end(tasks):
    """Cancel tasks and wait for all of them, even if cancelled while waiting."""
    for task in tasks:
        task.cancel()
    interrupted = None
    while unfinished := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(unfinished)
        except asyncio.CancelledError as error:
            interrupted = error  # told later: first the clean-up
    for task in tasks:
        if not task.cancelled():
            task.exception()  # seen, so that nobody reports it as lost
    if interrupted is not None:
        raise interrupted
