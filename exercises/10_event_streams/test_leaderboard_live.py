"""Grades leaderboard.py live: on a real server, and real sockets.

`pytest exercises/10/leaderboard --live`
"""

import asyncio

import pytest

from autograder.grading.benches.leaderboard_on_redis import (
    after_a_death,
    beside_the_deaf,
    on_every_screen,
    play,
)


@pytest.mark.live
@pytest.mark.points(0)
def test_scores_get_to_every_screen_for_real(submission, redis_url):
    """On a real server, too: what players send is on the screens of two gateways, the newest."""
    asyncio.run(play(on_every_screen, submission, redis_url))


@pytest.mark.live
@pytest.mark.points(0)
def test_a_dead_worker_loses_nothing_for_real(submission, redis_url):
    """On a real server, too: what a dead worker had is applied, and killed connections replaced."""
    asyncio.run(play(after_a_death, submission, redis_url))


@pytest.mark.live
@pytest.mark.points(0)
def test_a_deaf_viewer_holds_up_nobody_for_real(submission, redis_url):
    """On real sockets, too: a viewer that reads nothing holds up nobody."""
    asyncio.run(play(beside_the_deaf, submission, redis_url))
