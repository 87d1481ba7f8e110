"""Frames to bytes and back, by pamqp."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from pamqp import frame as frames
from pamqp.commands import Basic
from pamqp.exceptions import PAMQPException
from pamqp.header import ContentHeader

from .errors import ConnectionError_
from .publishing import Content

PROTOCOL = b"AMQP\x00\x00\x09\x01"
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
_PREFIX = struct.Struct(">BHI")
_CONTENT = struct.Struct(">BHIHHQ")
_END = b"\xce"
_METHOD, _HEADER, _BODY = 1, 2, 3


class Decoder:
    """Cuts a stream of bytes into frames."""

    def __init__(self, frame_max: int) -> None:
        self._buffer = bytearray()
        self._frame_max = frame_max
        self.greeted = False

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def greeting(self) -> bool | None:
        """True once the client has said that it speaks AMQP 0-9-1, False if it speaks something
        else, None as long as it has not said enough."""
        if len(self._buffer) < len(PROTOCOL):
            return None
        said = bytes(self._buffer[: len(PROTOCOL)])
        del self._buffer[: len(PROTOCOL)]
        self.greeted = True
        return said == PROTOCOL

    def frames(self) -> Iterator[tuple[int, Any, bytes]]:
        """What is complete: channel, frame, payload. Raises ConnectionError_ for what is none."""
        while len(self._buffer) >= _PREFIX.size:
            _, channel, size = _PREFIX.unpack_from(self._buffer)
            if size > self._frame_max:
                raise ConnectionError_(501, f"frame of {size} bytes, {self._frame_max} allowed")
            whole = _PREFIX.size + size + 1
            if len(self._buffer) < whole:
                return
            data = bytes(self._buffer[:whole])
            del self._buffer[:whole]
            try:
                _, _, frame = frames.unmarshal(data)
            except (PAMQPException, ValueError) as error:
                raise ConnectionError_(502, f"frame that cannot be read: {error}") from None
            yield channel, frame, data[_PREFIX.size : -1]


def encode(channel: int, frame: Any, frame_max: int) -> bytes:
    """The bytes of a frame, or of all the frames of a message's content."""
    if not isinstance(frame, Content):
        return frames.marshal(frame, channel)
    message = frame.message
    raw = message.raw
    if raw is None:
        raw = ContentHeader(properties=message.properties).marshal()[12:]
    body = message.body
    parts = [
        _CONTENT.pack(_HEADER, channel, 12 + len(raw), Basic.frame_id, 0, len(body)),
        raw,
        _END,
    ]
    most = frame_max - _PREFIX.size - 1
    for start in range(0, len(body), most):
        piece = body[start : start + most]
        parts += (_PREFIX.pack(_BODY, channel, len(piece)), piece, _END)
    return b"".join(parts)


@cache
def spec_name(name: str) -> str:
    """``Queue.DeclareOk`` as the specification writes it: ``queue.declare-ok``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
