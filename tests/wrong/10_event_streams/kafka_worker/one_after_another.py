"""Poll, work, commit: the loop of every tutorial.

It keeps every promise of the log, as long as the work is quick. One slow message holds up all keys,
and as nobody polls meanwhile, the worker is thrown out of its group.

mistake: slow-handler-rebalance
also: head-of-line-blocking
fails: test_it_stays_in_its_group, test_a_commit_that_fails_is_made_up_for,
    test_a_key_waits_for_no_other, test_it_commits_what_is_done,
    test_keys_keep_their_order, test_what_is_taken_away_is_let_go, test_a_failure_ends_it,
    test_it_stops_in_peace
"""

from confluent_kafka import TopicPartition
from confluent_kafka.aio import AIOConsumer


async def work(config, handle, stop, *, topic, limit=100):
    consumer = AIOConsumer({**config, "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    await consumer.subscribe([topic])
    try:
        while not stop.is_set():
            message = await consumer.poll(0.05)
            if message is None or message.error():
                continue
            await handle(message)
            done = TopicPartition(topic, message.partition(), message.offset() + 1)
            await consumer.commit(offsets=[done], asynchronous=False)
    finally:
        await consumer.close()
