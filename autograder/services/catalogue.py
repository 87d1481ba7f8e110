"""All kinds of servers, by name."""

from __future__ import annotations

from . import kafka, postgres, rabbitmq, redis, temporal
from .model import Server

SERVERS: dict[str, Server] = {
    module.SERVER.name: module.SERVER for module in (redis, rabbitmq, kafka, postgres, temporal)
}
