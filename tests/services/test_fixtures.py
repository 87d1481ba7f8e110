"""A test that asks for a real server gets one to itself."""

from __future__ import annotations

import aio_pika
import pytest
import redis.asyncio
from aio_pika.exceptions import ChannelNotFoundEntity


@pytest.mark.live
@pytest.mark.parametrize("turn", [1, 2])
async def test_redis_is_empty(redis_url: str, turn: int) -> None:
    """What one test leaves in Redis, the next does not see."""
    async with redis.asyncio.from_url(redis_url) as client:
        assert await client.dbsize() == 0
        await client.set("turn", turn)


@pytest.mark.live
@pytest.mark.parametrize("turn", [1, 2])
async def test_rabbitmq_is_empty(amqp_url: str, turn: int) -> None:
    """What one test leaves in RabbitMQ, the next does not see."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        with pytest.raises(ChannelNotFoundEntity):
            await channel.get_queue("left over")
        channel = await connection.channel()
        await channel.declare_queue("left over", durable=True)
