"""librdkafka's own cluster, as graders use it."""

import signal
import threading

import pytest
from confluent_kafka import Consumer, Producer

from autograder.services.mock_kafka import MockKafka, _no_signals, mock_kafka


def test_topics_have_the_partitions_that_were_asked_for():
    """A topic has so many partitions, and what is sent to one can be read there."""
    kafka = mock_kafka()
    kafka.create_topic("three", 3)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    assert len(producer.list_topics("three", 30).topics["three"].partitions) == 3
    producer.produce("three", "hello", partition=2)
    assert producer.flush(30) == 0
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "group.id": "readers of three",
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["three"])
    message = consumer.poll(30)
    assert message is not None
    assert (message.partition(), message.offset(), message.value()) == (2, 0, b"hello")
    consumer.close()


def test_a_name_is_taken_once():
    """A topic that is there cannot be created again."""
    mock_kafka().create_topic("once", 1)
    with pytest.raises(RuntimeError, match="the topic once cannot be created"):
        mock_kafka().create_topic("once", 1)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals are sent to no thread")
def test_its_threads_are_sent_no_signals():
    """Signals are for the threads of those who use a cluster: one would end it."""
    masks = []

    def look():
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with _no_signals():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert {signal.SIGALRM, signal.SIGINT, signal.SIGTERM} <= masks[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    assert isinstance(mock_kafka(), MockKafka)
