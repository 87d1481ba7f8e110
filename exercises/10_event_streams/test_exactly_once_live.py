"""Grades transform of exactly_once.py on a real Kafka: `pytest exercises/10 --live`."""

import pytest

from autograder.grading.benches import transform_scenarios as scenarios
from autograder.grading.benches.kafka_transforms import play

pytestmark = [pytest.mark.live, pytest.mark.points(0)]


@pytest.fixture
def on_kafka(submission, kafka_bootstrap, kafka_prefix):
    """Plays a scene on a real Kafka, which carries out transactions itself."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 0})

    def create(name, partitions):
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(30)

    return lambda scene: play(
        submission, kafka_bootstrap, create, scene, prefix=kafka_prefix, carries_out=True
    )


@pytest.mark.parametrize(
    "scene",
    [
        scenarios.each_is_sent_once,
        scenarios.a_failure_is_aborted,
        scenarios.a_zombie_is_fenced,
        scenarios.it_reads_what_is_committed,
        scenarios.it_stops_in_peace,
    ],
    ids=lambda scene: scene.__name__.replace("_", "-"),
)
def test_it_holds_on_a_real_kafka(on_kafka, scene):
    """On a real Kafka, too"""
    on_kafka(scene)


def test_killed_anywhere_on_a_real_kafka(on_kafka):
    """On a real Kafka, too: killed before or after any call, each is sent once."""
    on_kafka(scenarios.killed_at_every_step)
