"""AMQP on the wire in a few words."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.frame import marshal
from pamqp.header import ContentHeader, ProtocolHeader
from pamqp.heartbeat import Heartbeat

from autograder.simulation.network.words import describe


def wire(*frames: Any) -> bytes:
    return b"".join(marshal(frame, 1) for frame in frames)


def message(method: Any, body: bytes) -> tuple[Any, Any, Any]:
    return method, ContentHeader(body_size=len(body)), ContentBody(body)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (ProtocolHeader().marshal(), "AMQP 0-9-1"),
        (wire(commands.Basic.Ack(7)), "basic.ack 7"),
        (wire(commands.Basic.Nack(8, True, False)), "basic.nack 8"),
        (wire(commands.Queue.Declare(queue="box")), "queue.declare"),
        (wire(Heartbeat()), "heartbeat"),
        (
            wire(*message(commands.Basic.Publish(routing_key="box"), b"tea")),
            "basic.publish to box 'tea'",
        ),
        (
            wire(*message(commands.Basic.Publish(exchange="events", routing_key="paid"), b"tea")),
            "basic.publish to events 'tea'",
        ),
        (
            wire(
                *message(commands.Basic.Deliver("me", 1, False, "", "box"), b"tea"),
                *message(commands.Basic.Deliver("me", 2, False, "", "box"), b"milk"),
            ),
            "basic.deliver 1 'tea', basic.deliver 2 'milk'",
        ),
        (
            wire(*(commands.Basic.Ack(number) for number in range(1, 6))),
            "basic.ack 1, basic.ack 2, 3 more",
        ),
        (
            wire(*message(commands.Basic.Publish(routing_key="box"), b"x" * 30)),
            f"basic.publish to box '{'x' * 23}…'",
        ),
    ],
)
def test_frames_are_told_by_their_names(data: bytes, said: str) -> None:
    """Methods by name, with delivery tags, where a message goes and how its body begins."""
    assert describe(data) == said


@pytest.mark.parametrize("data", [b"\x01\x00\x01\x00\x00\x00\x09ab\xce", b"\x08" * 9 + b"\xce"])
def test_what_only_looks_like_frames_is_counted(data: bytes) -> None:
    """Bytes that are no frames are told by their number."""
    assert describe(data) == f"{len(data)} bytes"
