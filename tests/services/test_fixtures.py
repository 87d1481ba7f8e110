"""A test that asks for a real server gets a part of it in which there is nothing."""

from __future__ import annotations

import uuid

import aio_pika
import pytest
import redis.asyncio
from aio_pika.exceptions import ChannelNotFoundEntity
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = pytest.mark.live
twice = pytest.mark.parametrize("turn", [1, 2])

left: set[str] = set()  # by the turn before


@twice
async def test_redis_is_empty(redis_url: str, turn: int) -> None:
    """What one test leaves in Redis, the next does not see."""
    async with redis.asyncio.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("left over", turn)


@twice
async def test_rabbitmq_is_empty(amqp_url: str, turn: int) -> None:
    """What one test leaves in RabbitMQ, the next does not see."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelNotFoundEntity):
            await channel.get_queue("left over")
        channel = await connection.channel()
        await channel.declare_queue("left over", durable=True)


@twice
def test_kafka_is_empty(kafka_bootstrap: str, kafka_prefix: str, turn: int) -> None:
    """The topics of one test are gone in the next."""
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    assert not left & set(admin.list_topics(timeout=10).topics)
    topic = kafka_prefix + "orders"
    admin.create_topics([NewTopic(topic, 2)])[topic].result(30)
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, b"lamp")
    producer.commit_transaction(30)
    assert topic in admin.list_topics(timeout=10).topics
    left.add(topic)


@twice
async def test_postgres_is_empty(database_url: str, turn: int) -> None:
    """What one test leaves in PostgreSQL, the next does not see; nor does a connection matter."""
    asyncpg = pytest.importorskip("asyncpg")
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT to_regclass('left_over')") is None
    await connection.execute("CREATE TABLE left_over ()")
    if turn == 2:
        await connection.close()
    else:
        connection.terminate()


@twice
async def test_temporal_is_empty(temporal_address: str, temporal_namespace: str, turn: int) -> None:
    """A test gets a namespace that can be worked in, and it is not the last one's."""
    client = pytest.importorskip("temporalio.client")
    assert temporal_namespace not in left
    left.add(temporal_namespace)
    connected = await client.Client.connect(temporal_address, namespace=temporal_namespace)
    handle = await connected.start_workflow("Trip", id=uuid.uuid4().hex, task_queue="trips")
    assert (await handle.describe()).status.name == "RUNNING"
