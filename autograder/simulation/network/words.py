"""Bytes on the wire in a few words, for the timeline."""

from __future__ import annotations

import re

from . import amqp, resp_words

_LONGEST = 60
_REQUEST = re.compile(rb"(?P<what>[A-Z]{3,7} \S+) HTTP/1\.[01]\r\n")
_RESPONSE = re.compile(rb"(?P<what>HTTP/1\.[01] [^\r\n]*)\r\n")
_PLAIN = re.compile(rb"[\x20-\x7e]{1,60}\r?\n?\Z")


def describe(data: bytes) -> str:
    """``GET /price (120 bytes)``, ``XADD jobs * n 1 (40 bytes)``, ``basic.ack 7``, or the size."""
    size = f"{len(data):,} byte{'' if len(data) == 1 else 's'}"
    http = _REQUEST.match(data) or _RESPONSE.match(data)
    if http:
        return f"{shortened(http['what'].decode('latin-1'))} ({size})"
    if amqp.looks_like_frames(data):
        frames = amqp.describe(data)
        if frames is not None:
            return shortened(frames)
    redis = resp_words.request(data) or resp_words.reply(data)
    if redis:
        return f"{redis} ({size})"
    if _PLAIN.match(data):
        return f"{data.decode('ascii')!r} ({size})"
    return size


def shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
