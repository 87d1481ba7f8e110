"""Grades kafka_worker.py, on the mock cluster that librdkafka brings.

Kafka's clients run on threads, in real time: there are no simulated worlds here. Handlers return
when the grader lets them, and what is waited for is that something has happened. The scenes are in
autograder/grading/benches/kafka_*.py; test_kafka_worker_live.py plays them on a real Kafka.
"""

from functools import partial

import pytest

from autograder.grading.benches import kafka_rebalances as rebalances
from autograder.grading.benches import kafka_scenarios as scenarios
from autograder.grading.benches.kafka_workers import play
from autograder.services.mock_kafka import mock_kafka

pytestmark = pytest.mark.real_time(60)


@pytest.fixture
def on_kafka(submission):
    """Plays a scene, with a topic and a group of its own."""
    kafka = mock_kafka()
    return lambda scene, **kwargs: play(
        submission, kafka.bootstrap, kafka.create_topic, scene, **kwargs
    )


@pytest.mark.points(1)
@pytest.mark.hint("auto.offset.reset says where a group begins that has committed nothing yet.")
def test_every_message_is_handled(on_kafka):
    """Every message is handled, those from before the group, too; and what is done is committed."""
    on_kafka(scenarios.every_message_is_handled, partitions=2, new_group=True)


@pytest.mark.points(3)
@pytest.mark.hint("Which is the first offset of the partition that is not done?")
def test_it_commits_what_is_done(on_kafka):
    """What is committed never reaches beyond a message that is at work, also if others are done."""
    on_kafka(scenarios.it_commits_what_is_done, partitions=2)


@pytest.mark.points(3)
@pytest.mark.hint("Two tasks of one key run at once. What if they were one task?")
def test_keys_keep_their_order(on_kafka):
    """The messages of one key are handled one after another, in the order of the topic."""
    on_kafka(scenarios.keys_keep_their_order)


@pytest.mark.points(2)
def test_a_key_waits_for_no_other(on_kafka):
    """While a message is at work, those of other keys go on, also in its partition."""
    on_kafka(scenarios.a_key_waits_for_no_other, partitions=2)


@pytest.mark.points(2)
@pytest.mark.hint("consumer.pause(...) stops messages, and not the polls.")
def test_it_holds_no_more_than_its_limit(on_kafka):
    """The worker never holds more than `limit` messages, read and not done."""
    on_kafka(scenarios.it_holds_no_more_than_its_limit, partitions=2)


@pytest.mark.points(3)
@pytest.mark.hint("Who polls while a handler is at work?")
def test_it_stays_in_its_group(on_kafka):
    """While handlers outlast max.poll.interval.ms, after stop too, it keeps its partitions."""
    if silent := on_kafka(rebalances.it_asks_while_it_works):
        stopping = silent == "stopping"
        on_kafka(partial(rebalances.it_stays_in_its_group, stopping=stopping), partitions=2)


@pytest.mark.points(3)
@pytest.mark.hint("subscribe(..., on_revoke=...): what has to be over when that returns?")
def test_what_is_taken_away_is_let_go(on_kafka):
    """A partition that is taken away is worked on and committed by its next owner only."""
    on_kafka(rebalances.what_is_taken_away_is_let_go, partitions=2)


@pytest.mark.points(1)
def test_a_commit_that_fails_is_made_up_for(on_kafka):
    """If a commit fails, the worker goes on, and commits again."""
    on_kafka(scenarios.a_commit_that_fails_is_made_up_for)


@pytest.mark.points(2)
@pytest.mark.hint("An exception in a task waits for somebody to ask for it.")
def test_a_failure_ends_it(on_kafka):
    """If handle raises, its message stays uncommitted, the rest is finished, and work raises."""
    on_kafka(scenarios.a_failure_ends_it, partitions=2)


@pytest.mark.points(1)
def test_a_failure_after_stop_is_raised(on_kafka):
    """If handle raises after stop was set, the rest is finished, too, and work raises."""
    on_kafka(scenarios.a_failure_after_stop_is_raised)


@pytest.mark.points(2)
def test_it_stops_in_peace(on_kafka):
    """When stop is set, what has begun is finished and committed, and the group is left."""
    on_kafka(scenarios.it_stops_in_peace)


@pytest.mark.points(1)
def test_it_stops_when_there_is_nothing_to_do(on_kafka):
    """When stop is set, a worker that waits for messages commits and returns."""
    on_kafka(scenarios.it_stops_when_there_is_nothing_to_do)
