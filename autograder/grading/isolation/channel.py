"""Messages between the trusted side and the child, each authenticated and numbered.

A message is a line: a hexadecimal MAC, a space, JSON. The key goes to the child before it imports
the submission. Code in the same process could search its memory for the key; it cannot write a
message by accident, nor by finding the pipe alone.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

MOST_BYTES = 4 * 1024 * 1024
"""A message may have so many bytes."""
KEY_BYTES = 32


class Forged(Exception):
    """A line that the child's grader did not write; says in words what is wrong with it."""


def sender(descriptor: int, key: bytes) -> Callable[[Mapping[str, Any]], None]:
    """A function that sends one message; in another process, such as a fork, it does nothing."""
    # What a message goes through is held here: replacing a name elsewhere changes nothing.
    digest, encode, write = hmac.digest, json.JSONEncoder(ensure_ascii=True).encode, os.write
    process, getpid = os.getpid(), os.getpid
    number = 0

    def send(message: Mapping[str, Any]) -> None:
        nonlocal number
        if getpid() != process:
            return
        body = encode(dict(message)).encode()
        code = digest(key, b"%d " % number + body, "sha256")
        number += 1
        line = code.hex().encode() + b" " + body + b"\n"
        while line:
            line = line[write(descriptor, line) :]

    return send


class Reader:
    """Checks messages as they come."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._number = 0

    def message(self, line: bytes) -> dict[str, Any]:
        """What a line says.

        Raises:
            Forged: it is not the next message of whoever has the key.
        """
        code, _, body = line.rstrip(b"\n").partition(b" ")
        expected = hmac.digest(self._key, b"%d " % self._number + body, "sha256").hex().encode()
        if not hmac.compare_digest(code, expected):
            raise Forged("a message came over the grader's pipe that the grader did not write")
        self._number += 1
        try:
            message = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Forged(f"a message of the grader cannot be read: {error}") from None
        if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
            raise Forged("a message of the grader has no kind")
        return message
