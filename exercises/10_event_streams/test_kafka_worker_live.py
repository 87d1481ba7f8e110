"""Grades kafka_worker.py on a real Kafka: `pytest exercises/10 --live`."""

import pytest

from autograder.grading.benches import kafka_rebalances as rebalances
from autograder.grading.benches import kafka_scenarios as scenarios
from autograder.grading.benches.kafka_deaths import killed_at_step
from autograder.grading.benches.kafka_workers import play

pytestmark = [pytest.mark.live, pytest.mark.points(0)]


@pytest.fixture
def on_kafka(submission, kafka_bootstrap, kafka_prefix):
    """Plays a scene on a real Kafka."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})

    def create(name, partitions):
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(30)

    def on(scene, **kwargs):
        return play(submission, kafka_bootstrap, create, scene, prefix=kafka_prefix, **kwargs)

    return on


@pytest.mark.parametrize(
    "scene",
    [
        scenarios.it_commits_what_is_done,
        scenarios.a_key_waits_for_no_other,
        rebalances.it_stays_in_its_group,
        rebalances.what_is_taken_away_is_let_go,
        scenarios.a_failure_ends_it,
    ],
    ids=lambda scene: scene.__name__.replace("_", "-"),
)
def test_it_holds_on_a_real_kafka(on_kafka, scene):
    """On a real Kafka, too"""
    on_kafka(scene, partitions=2)


def test_a_new_group_on_a_real_kafka(on_kafka):
    """On a real Kafka, too: a new group begins with the first message that there is."""
    on_kafka(scenarios.every_message_is_handled, partitions=2, new_group=True)


def test_killed_anywhere_on_a_real_kafka(on_kafka):
    """If a worker is killed, at any step of its work, another one does what it has left."""
    has_such_a_step, nth = True, 0

    async def kill(at):
        nonlocal has_such_a_step
        has_such_a_step = await killed_at_step(at, nth)

    while has_such_a_step:
        on_kafka(kill, partitions=2)
        nth += 1
    assert nth > 6, f"a worker with six messages was killed at each of its {nth} steps, and no more"
