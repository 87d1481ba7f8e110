"""All kinds of servers, by name."""

from __future__ import annotations

from . import rabbitmq, redis
from .model import Server

SERVERS: dict[str, Server] = {server.name: server for server in (redis.SERVER, rabbitmq.SERVER)}
