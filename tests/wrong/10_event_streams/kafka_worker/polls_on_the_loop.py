"""The plain Consumer in a coroutine: `poll(1.0)` keeps the event loop for a second.

mistake: blocking-call
fails: test_every_message_is_handled, test_it_commits_what_is_done, test_keys_keep_their_order,
    test_a_key_waits_for_no_other, test_it_holds_no_more_than_its_limit,
    test_it_stays_in_its_group, test_what_is_taken_away_is_let_go, test_a_failure_ends_it,
    test_it_stops_in_peace, test_it_stops_when_there_is_nothing_to_do,
    test_a_commit_that_fails_is_made_up_for,
    test_a_failure_after_stop_is_raised
"""

from confluent_kafka import Consumer


async def work(config, handle, stop, *, topic, limit=100):
    settings = {"enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({**config, **settings})
    consumer.subscribe([topic])
    while not stop.is_set():
        message = consumer.poll(1.0)
        if message is not None and not message.error():
            await handle(message)
            consumer.commit(message=message, asynchronous=False)
    consumer.close()
