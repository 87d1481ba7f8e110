"""Grades transform of exactly_once.py on the mock cluster that librdkafka brings, in real time.

That cluster accepts transactions and does not carry them out. What they would do is worked out from
the calls of the learner's clients: autograder/grading/benches/watched_producer.py. The same scenes
are played on a real Kafka by test_exactly_once_live.py.
"""

import pytest

from autograder.grading.benches import transform_scenarios as scenarios
from autograder.grading.benches.kafka_transforms import play
from autograder.services.mock_kafka import mock_kafka

pytestmark = pytest.mark.real_time(60)


@pytest.fixture
def on_kafka(submission):
    """Plays a scene, with a topic and a group of its own."""
    kafka = mock_kafka()
    return lambda scene: play(submission, kafka.bootstrap, kafka.create_topic, scene)


@pytest.mark.points(1)
def test_each_is_sent_once(on_kafka):
    """What each message is converted to is in the target once; how far it is read is committed."""
    on_kafka(scenarios.each_is_sent_once)


@pytest.mark.points(3)
@pytest.mark.hint("Sending, and saying how far you have read: what if only one of the two happens?")
def test_killed_anywhere_each_is_sent_once(on_kafka):
    """If the transformer is killed, before or after any call to Kafka, each is sent once."""
    on_kafka(scenarios.killed_at_every_step)


@pytest.mark.points(2)
@pytest.mark.hint("abort_transaction, and then?")
def test_a_failure_is_aborted(on_kafka):
    """If convert raises, transform does, and its message is converted by the next one."""
    on_kafka(scenarios.a_failure_is_aborted)


@pytest.mark.points(2)
@pytest.mark.hint("Who was given transactional_id? And who calls init_transactions?")
def test_a_zombie_is_fenced(on_kafka):
    """Once another one has its transactional_id, nothing that it sends is seen, and it raises."""
    on_kafka(scenarios.a_zombie_is_fenced)


@pytest.mark.points(1)
def test_it_commits_in_time(on_kafka):
    """A transaction is committed within five seconds, also while messages keep coming."""
    on_kafka(scenarios.it_commits_in_time)


@pytest.mark.points(1)
def test_it_stops_in_peace(on_kafka):
    """When stop is set, what has begun is committed, nothing else begins, and transform returns."""
    on_kafka(scenarios.it_stops_in_peace)
