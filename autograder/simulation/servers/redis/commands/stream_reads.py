"""XREAD and XREADGROUP, blocking or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..arguments import integer, milliseconds
from ..replies import NOTHING_YET, NULL_ARRAY, RedisError, Reply, Streams, syntax_error
from ..stream_ids import ZERO, EntryId, after, before, parse, show
from ..streams import Consumer, Group, Stream
from .streams import entry
from .table import Call, Words, command

_NEWEST = b"$"
_LAST = b"+"
_NEW = b">"


@dataclass(slots=True)
class _Asked:
    """What a read asks for; ``timeout`` is None if it does not block, 0 if it does for ever."""

    count: int | None = None
    timeout: int | None = None
    noack: bool = False
    group: bytes = b""
    consumer: bytes = b""
    keys: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)


def _read_options(call: Call) -> _Asked:
    asked, words = _Asked(), Words(call.args)
    grouped = call.command.name == "xreadgroup"
    while words:
        word = words.option()
        if word == b"BLOCK" and words:
            asked.timeout = milliseconds(words.word()) or 0
        elif word == b"COUNT" and words:
            asked.count = max(0, integer(words.word())) or None
        elif word == b"NOACK":
            _only_for_groups(grouped, "NOACK")
            asked.noack = True
        elif word == b"GROUP" and words.left() >= 2:
            _only_for_groups(grouped, "GROUP")
            asked.group, asked.consumer = words.word(), words.word()
        elif word == b"STREAMS" and words:
            _split(call, asked, words.rest())
            break
        else:
            raise syntax_error()
    if not asked.keys:
        raise syntax_error()
    if grouped and not asked.group:
        raise RedisError("ERR Missing GROUP option for XREADGROUP")
    return asked


def _only_for_groups(grouped: bool, option: str) -> None:
    if not grouped:
        raise RedisError(
            f"ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
        )


def _split(call: Call, asked: _Asked, rest: list[bytes]) -> None:
    if len(rest) % 2:
        special = "'>'" if call.command.name == "xreadgroup" else "'$'"
        raise RedisError(
            f"ERR Unbalanced '{call.command.name}' list of streams: for each stream key an ID or "
            f"{special} must be specified."
        )
    half = len(rest) // 2
    asked.keys, asked.ids = rest[:half], rest[half:]


def _read_or_wait(call: Call, asked: _Asked, read: Callable[[], Reply]) -> Reply:
    """Read now; wait if nothing is there and the caller wants that."""
    if asked.timeout is None:
        found = read()
        return NULL_ARRAY if found is NOTHING_YET else found
    kind = None if asked.group else Stream
    return call.block(asked.keys, kind, read, asked.timeout or None, NULL_ARRAY)


# -- XREAD ----------------------------------------------------------------------------------------


@command("XREAD", -4, "readonly blocking")
def xread(call: Call) -> Reply:
    asked = _read_options(call)
    after_ids = [_start(call, key, text) for key, text in zip(asked.keys, asked.ids, strict=True)]

    def read() -> Reply:
        result = Streams()
        for key, start in zip(asked.keys, after_ids, strict=True):
            stream = call.db.get(key, Stream)
            found = [] if stream is None else stream.following(start, asked.count)
            if stream is not None and found:
                result.append((key, [entry(stream, entry_id) for entry_id in found]))
        return result or NOTHING_YET

    return _read_or_wait(call, asked, read)


def _start(call: Call, key: bytes, text: bytes) -> EntryId:
    """The id after which to read. Fixed now: what comes while the reader waits is new."""
    if text == _NEW:
        raise RedisError(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> "
            "<consumer> option."
        )
    stream = call.db.get(key, Stream)
    if text == _NEWEST:
        return stream.last_id if stream is not None else ZERO
    if text == _LAST:
        return (before(stream.last_id) if stream is not None else None) or ZERO
    return parse(text)


# -- XREADGROUP -----------------------------------------------------------------------------------


@command("XREADGROUP", -7, "write blocking")
def xreadgroup(call: Call) -> Reply:
    asked = _read_options(call)
    starts = []
    for key, text in zip(asked.keys, asked.ids, strict=True):
        _find(call, key, asked.group)  # raises if it is missing
        starts.append(_group_start(text))
    if any(start is not None for start in starts):
        asked.timeout = (
            None  # what a consumer owes is there or is not: there is nothing to wait for
        )

    def read() -> Reply:
        result = Streams()
        groups = [_find(call, key, asked.group) for key in asked.keys]
        for key, start, (stream, group) in zip(asked.keys, starts, groups, strict=True):
            consumer = group.consumer(asked.consumer, call.engine.now)
            if start is not None:
                result.append((key, _history(call, stream, group, consumer, start, asked.count)))
                continue
            fresh = _deliver(call, asked, stream, group, consumer)
            if fresh:
                result.append((key, fresh))
                call.db.changes += 1
        return result or NOTHING_YET

    return _read_or_wait(call, asked, read)


def _group_start(text: bytes) -> EntryId | None:
    """The id after which a consumer's own pending entries are wanted; None for new ones."""
    if text == _NEW:
        return None
    if text in (_NEWEST, _LAST):
        shown = text.decode()
        raise RedisError(
            f"ERR The {shown} ID is meaningless in the context of XREADGROUP: you want to read "
            "the history of this consumer by specifying a proper ID, or use the > ID to get new "
            f"messages. The {shown} ID would just return an empty result set."
        )
    return parse(text)


def _find(call: Call, key: bytes, name: bytes) -> tuple[Stream, Group]:
    stream = call.db.get(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        raise RedisError(
            f"NOGROUP No such key '{key.decode('utf-8', 'replace')}' or consumer group "
            f"'{name.decode('utf-8', 'replace')}' in XREADGROUP with GROUP option"
        )
    return stream, group


def _deliver(
    call: Call, asked: _Asked, stream: Stream, group: Group, consumer: Consumer
) -> list[Reply]:
    """Entries that no consumer of the group has had."""
    now = call.engine.now
    fresh = stream.following(group.last_id, asked.count)
    for entry_id in fresh:
        stream.read_by(group, entry_id)
        if not asked.noack:
            group.deliver(entry_id, consumer, now)
    if fresh:
        consumer.active_at = now
    return [entry(stream, entry_id) for entry_id in fresh]


def _history(
    call: Call,
    stream: Stream,
    group: Group,
    consumer: Consumer,
    start: EntryId,
    count: int | None,
) -> list[Reply]:
    """What a consumer got and has not acknowledged; entries that were deleted have no fields."""
    first = after(start)
    mine = [i for i in group.pending_ids(consumer) if first is not None and i >= first]
    answer = []
    for entry_id in mine[:count]:
        if entry_id not in stream.entries:
            answer.append([show(entry_id), NULL_ARRAY])
            continue
        pending = group.pending[entry_id]
        pending.delivered_at = call.engine.now
        pending.deliveries += 1
        answer.append(entry(stream, entry_id))
    return answer
