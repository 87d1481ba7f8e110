"""A TaskGroup that the first answer leaves by an exception of its own.

The group cancels the other mirrors and waits for them, whatever happens; nothing is left to do.
"""

import asyncio


class _Answered(Exception):
    """Ends the group; never seen outside."""


async def first_success(mirrors):
    if len(mirrors) == 0:
        raise ValueError("first_success needs at least one mirror")
    answers = []
    errors = []

    async def ask(mirror):
        try:
            answer = await mirror()
        except Exception as error:
            errors.append(error)
        else:
            answers.append(answer)
            raise _Answered

    try:
        async with asyncio.TaskGroup() as group:
            for mirror in mirrors:
                group.create_task(ask(mirror))
    except* _Answered:
        return_value = answers[0]
    else:
        raise ExceptionGroup("no mirror answered", errors)
    return return_value
