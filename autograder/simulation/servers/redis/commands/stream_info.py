"""XINFO: what a stream, its groups and their consumers look like."""

from __future__ import annotations

from ..arguments import integer
from ..replies import RedisError, Reply, no_such_key
from ..stream_ids import LAST, ZERO, show
from ..streams import Consumer, Group, Stream
from .groups import need_group
from .streams import entry
from .table import Call, Words, command

_KEY = (2, 2, 1)


def _stream(call: Call) -> Stream:
    stream = call.db.get(call.args[0], Stream)
    if stream is None:
        raise no_such_key()
    return stream


@command("XINFO STREAM", -3, "readonly", _KEY)
def xinfo_stream(call: Call) -> Reply:
    stream = _stream(call)
    info: dict[bytes, Reply] = {
        b"length": len(stream),
        b"radix-tree-keys": len(stream.nodes),
        b"radix-tree-nodes": len(stream.nodes) + 1,
        b"last-generated-id": show(stream.last_id),
        b"max-deleted-entry-id": show(stream.max_deleted),
        b"entries-added": stream.entries_added,
        b"recorded-first-entry-id": show(stream.first_id),
    }
    words = Words(call.args, 1)
    if not words:
        first = stream.range(ZERO, LAST, 1)
        last = stream.reversed_range(ZERO, LAST, 1)
        info[b"groups"] = len(stream.groups)
        info[b"first-entry"] = entry(stream, first[0]) if first else None
        info[b"last-entry"] = entry(stream, last[0]) if last else None
        return info
    count = 10
    if words.option() != b"FULL" or (words and words.option() != b"COUNT") or words.left() > 1:
        raise RedisError(
            "ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."
        )
    if words:
        count = max(0, integer(words.word()))
    most = count or None
    info[b"entries"] = [entry(stream, i) for i in stream.range(ZERO, LAST, most)]
    info[b"groups"] = [_full_group(stream, stream.groups[n], most) for n in sorted(stream.groups)]
    return info


def _full_group(stream: Stream, group: Group, most: int | None) -> Reply:
    rows = [(entry_id, group.pending[entry_id]) for entry_id in group.pending_ids()[:most]]
    return {
        b"name": group.name,
        b"last-delivered-id": show(group.last_id),
        b"entries-read": group.entries_read,
        b"lag": stream.lag(group),
        b"pel-count": len(group.pending),
        b"pending": [[show(i), p.consumer.name, p.delivered_at, p.deliveries] for i, p in rows],
        b"consumers": [
            _full_consumer(group, group.consumers[name], most) for name in sorted(group.consumers)
        ],
    }


def _full_consumer(group: Group, consumer: Consumer, most: int | None) -> Reply:
    rows = [(i, group.pending[i]) for i in group.pending_ids(consumer)[:most]]
    return {
        b"name": consumer.name,
        b"seen-time": consumer.seen_at,
        b"active-time": consumer.active_at,
        b"pel-count": len(consumer.pending),
        b"pending": [[show(i), p.delivered_at, p.deliveries] for i, p in rows],
    }


@command("XINFO GROUPS", 3, "readonly", _KEY)
def xinfo_groups(call: Call) -> Reply:
    stream = _stream(call)
    return [
        {
            b"name": name,
            b"consumers": len(group.consumers),
            b"pending": len(group.pending),
            b"last-delivered-id": show(group.last_id),
            b"entries-read": group.entries_read,
            b"lag": stream.lag(group),
        }
        for name, group in sorted(stream.groups.items())
    ]


@command("XINFO CONSUMERS", 4, "readonly", _KEY)
def xinfo_consumers(call: Call) -> Reply:
    group = need_group(call, _stream(call))
    return [
        {
            b"name": name,
            b"pending": len(consumer.pending),
            b"idle": max(0, call.now - consumer.seen_at),
            b"inactive": -1 if consumer.active_at < 0 else max(0, call.now - consumer.active_at),
        }
        for name, consumer in sorted(group.consumers.items())
    ]
