"""Ids of stream entries: milliseconds and a sequence number, as a tuple that sorts."""

from __future__ import annotations

import re

from .replies import RedisError

EntryId = tuple[int, int]

ZERO: EntryId = (0, 0)
LAST: EntryId = (2**64 - 1, 2**64 - 1)
_PART = re.compile(rb"[0-9]{1,20}")


def invalid_id() -> RedisError:
    return RedisError("ERR Invalid stream ID specified as stream command argument")


def show(entry_id: EntryId) -> bytes:
    """As it is written: ``1526919030474-55``."""
    return b"%d-%d" % entry_id


def parse(text: bytes, missing: int = 0) -> EntryId:
    """An id; one without a sequence number gets ``missing``. Raises `RedisError`."""
    milliseconds, dash, sequence = text.partition(b"-")
    if not dash:
        return _number(milliseconds), missing
    return _number(milliseconds), _number(sequence)


def parse_bound(text: bytes, *, lowest: bool) -> EntryId:
    """One end of a range: ``-``, ``+``, an id, or ``(`` and an id that is itself left out."""
    missing = 0 if lowest else LAST[1]
    if text == b"-":
        return ZERO
    if text == b"+":
        return LAST
    if not text.startswith(b"("):
        return parse(text, missing)
    found = parse(text[1:], missing)
    beyond = after(found) if lowest else before(found)
    if beyond is None:
        which = "start" if lowest else "end"
        raise RedisError(f"ERR invalid {which} ID for the interval")
    return beyond


def after(entry_id: EntryId) -> EntryId | None:
    """The next id; None if there is none."""
    milliseconds, sequence = entry_id
    if sequence < LAST[1]:
        return milliseconds, sequence + 1
    return (milliseconds + 1, 0) if milliseconds < LAST[0] else None


def before(entry_id: EntryId) -> EntryId | None:
    """The id that comes just before; None if there is none."""
    milliseconds, sequence = entry_id
    if sequence:
        return milliseconds, sequence - 1
    return (milliseconds - 1, LAST[1]) if milliseconds else None


def _number(text: bytes) -> int:
    if not _PART.fullmatch(text) or int(text) > LAST[0]:
        raise invalid_id()
    return int(text)
