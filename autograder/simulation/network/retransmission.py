"""When TCP tries again, and when it gives up, as Linux does it out of the box.

What is not acknowledged is sent again after 0.2 seconds, after twice that, and so on up to two
minutes; after fifteen times, a little over a quarter of an hour, the connection is given up. So a
connection outlives a broken way, but is silent for up to twice as long as the way was broken.
"""

from __future__ import annotations

from itertools import accumulate

_FIRST = 0.2
_LONGEST = 120.0
_TIMES = 15

_WAITS = [min(_FIRST * 2**n, _LONGEST) for n in range(_TIMES + 1)]
_ATTEMPTS = list(accumulate(_WAITS))[:-1]

GIVE_UP = sum(_WAITS)
"""Seconds without any acknowledgement after which a connection is given up: 924.6."""


def next_attempt(since: float, now: float) -> float | None:
    """When what has been lost ``since`` then is sent again, ``now`` or later.

    None if there is no further attempt: the connection is given up at ``since + GIVE_UP``.
    """
    return next((since + after for after in _ATTEMPTS if since + after >= now), None)
