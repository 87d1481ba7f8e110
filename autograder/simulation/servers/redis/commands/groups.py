"""Consumer groups: make them, acknowledge, look at what is pending, claim it."""

from __future__ import annotations

from dataclasses import dataclass

from ..arguments import integer
from ..replies import NULL_ARRAY, RedisError, Reply, syntax_error
from ..stream_ids import ZERO, EntryId, parse, parse_bound, show
from ..streams import Consumer, Group, Pending, Stream
from .streams import entry
from .strings import ONE
from .table import Call, Words, command

_TRIES_FOR_EACH = 10
_TWO = (2, 2, 1)


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "replace")


def need_stream(call: Call) -> Stream:
    """The stream of an XGROUP command; raises `RedisError`."""
    stream = call.db.get(call.args[0], Stream)
    if stream is None:
        raise RedisError(
            "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may "
            "want to use the MKSTREAM option to create an empty stream automatically."
        )
    return stream


def need_group(call: Call, stream: Stream) -> Group:
    """The group of an XGROUP or XINFO command; raises `RedisError`."""
    group = stream.groups.get(call.args[1])
    if group is None:
        raise RedisError(
            f"NOGROUP No such consumer group '{_shown(call.args[1])}' for key name "
            f"'{_shown(call.args[0])}'"
        )
    return group


def _find(call: Call) -> tuple[Stream, Group]:
    """Stream and group of a command that works on pending entries; raises `RedisError`."""
    key, name = call.args[:2]
    stream = call.db.get(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if stream is None or group is None:
        raise RedisError(f"NOGROUP No such key '{_shown(key)}' or consumer group '{_shown(name)}'")
    return stream, group


# -- XGROUP ---------------------------------------------------------------------------------------


def _entries_read(words: Words) -> int | None:
    value = integer(words.word())
    if value < -1:
        raise RedisError("ERR value for ENTRIESREAD must be positive or -1")
    return None if value == -1 else value


def _bad_subcommand(call: Call) -> RedisError:
    name = call.command.name.partition("|")[2].upper()
    return RedisError(
        f"ERR unknown subcommand or wrong number of arguments for '{name}'. Try XGROUP HELP."
    )


def _options(call: Call, *, can_make: bool) -> tuple[bool, int | None]:
    """``MKSTREAM`` and ``ENTRIESREAD``."""
    make, read, words = False, None, Words(call.args, 3)
    while words:
        word = words.option()
        if word == b"MKSTREAM" and can_make:
            make = True
        elif word == b"ENTRIESREAD" and words:
            read = _entries_read(words)
        else:
            raise _bad_subcommand(call)
    return make, read


@command("XGROUP CREATE", -5, "write denyoom", _TWO)
def xgroup_create(call: Call) -> Reply:
    key, name, start = call.args[:3]
    make, read = _options(call, can_make=True)
    is_new = make and key not in call.db.values
    stream = Stream() if is_new else need_stream(call)
    last = stream.last_id if start == b"$" else parse(start)
    if name in stream.groups:
        raise RedisError("BUSYGROUP Consumer Group name already exists")
    stream.groups[name] = Group(name, last, read)
    if is_new:
        call.db.store(key, stream)
    call.db.changes += 1
    return "OK"


@command("XGROUP SETID", -5, "write", _TWO)
def xgroup_setid(call: Call) -> Reply:
    _, read = _options(call, can_make=False)
    stream = need_stream(call)
    group = need_group(call, stream)
    group.last_id = stream.last_id if call.args[2] == b"$" else parse(call.args[2])
    group.entries_read = read
    call.db.changes += 1
    return "OK"


@command("XGROUP DESTROY", 4, "write", _TWO)
def xgroup_destroy(call: Call) -> Reply:
    stream = need_stream(call)
    if stream.groups.pop(call.args[1], None) is None:
        return 0
    call.db.signal(call.args[0])
    return 1


@command("XGROUP CREATECONSUMER", 5, "write denyoom", _TWO)
def xgroup_createconsumer(call: Call) -> Reply:
    group = need_group(call, need_stream(call))
    if call.args[2] in group.consumers:
        return 0
    group.consumer(call.args[2], call.now)
    call.db.changes += 1
    return 1


@command("XGROUP DELCONSUMER", 5, "write", _TWO)
def xgroup_delconsumer(call: Call) -> Reply:
    group = need_group(call, need_stream(call))
    consumer = group.consumers.pop(call.args[2], None)
    if consumer is None:
        return 0
    for entry_id in consumer.pending:
        del group.pending[entry_id]
    call.db.changes += 1
    return len(consumer.pending)


# -- XACK and XPENDING ----------------------------------------------------------------------------


@command("XACK", -4, "write fast", ONE)
def xack(call: Call) -> Reply:
    key, name, *texts = call.args
    stream = call.db.get(key, Stream)
    group = None if stream is None else stream.groups.get(name)
    if group is None:
        return 0
    wanted = [parse(text) for text in texts]
    done = sum(group.forget(entry_id) for entry_id in wanted)
    call.db.changes += done
    return done


@command("XPENDING", -3, "readonly", ONE)
def xpending(call: Call) -> Reply:
    if len(call.args) == 2:
        return _summary(_find(call)[1])
    if not 5 <= len(call.args) <= 8:
        raise syntax_error()
    words, idle = Words(call.args, 2), 0
    if words.option() == b"IDLE":
        idle = integer(words.word())
    else:
        words.position -= 1
    if words.left() < 3:
        raise syntax_error()
    low, high = words.word(), words.word()
    count = max(0, integer(words.word()))
    first, last = parse_bound(low, lowest=True), parse_bound(high, lowest=False)
    _, group = _find(call)
    consumer = None
    if words:
        consumer = group.consumers.get(words.word())
        if consumer is None:
            return []
    return _rows(call, group, consumer, (first, last, idle, count))


def _summary(group: Group) -> Reply:
    ids = group.pending_ids()
    if not ids:
        return [0, None, None, NULL_ARRAY]
    consumers = [
        [name, b"%d" % len(consumer.pending)]
        for name, consumer in sorted(group.consumers.items())
        if consumer.pending
    ]
    return [len(ids), show(ids[0]), show(ids[-1]), consumers]


def _rows(
    call: Call, group: Group, consumer: Consumer | None, asked: tuple[EntryId, EntryId, int, int]
) -> Reply:
    first, last, idle, count = asked
    rows: list[Reply] = []
    for entry_id in group.pending_ids(consumer):
        pending = group.pending[entry_id]
        waited = max(0, call.now - pending.delivered_at)
        if len(rows) < count and first <= entry_id <= last and waited >= idle:
            rows.append([show(entry_id), pending.consumer.name, waited, pending.deliveries])
    return rows


# -- XCLAIM and XAUTOCLAIM ------------------------------------------------------------------------


@dataclass(slots=True)
class _Claim:
    """How entries are claimed; ``delivered_at`` and ``deliveries`` are what they are set to."""

    idle: int
    delivered_at: int
    deliveries: int | None = None
    force: bool = False
    justid: bool = False
    last_id: EntryId | None = None


def _read_claim(call: Call) -> tuple[list[EntryId], _Claim]:
    claim = _Claim(_min_idle(call), call.now)
    words, ids = Words(call.args, 4), []
    while words:
        text = words.word()
        try:
            ids.append(parse(text))
        except RedisError:
            words.position -= 1
            break
    while words:
        word = words.option()
        if word == b"FORCE":
            claim.force = True
        elif word == b"JUSTID":
            claim.justid = True
        elif word == b"IDLE" and words:
            claim.delivered_at = call.now - _claim_number(call, words, "IDLE")
        elif word == b"TIME" and words:
            claim.delivered_at = _claim_number(call, words, "TIME")
        elif word == b"RETRYCOUNT" and words:
            count = _claim_number(call, words, "RETRYCOUNT")
            claim.deliveries = count if count >= 0 else None
        elif word == b"LASTID" and words:
            claim.last_id = parse(words.word())
        else:
            raise RedisError(
                f"ERR Unrecognized XCLAIM option '{_shown(call.args[words.position - 1])}'"
            )
    if not 0 <= claim.delivered_at <= call.now:
        claim.delivered_at = call.now
    return ids, claim


def _claim_number(call: Call, words: Words, option: str) -> int:
    return integer(words.word(), f"ERR Invalid {option} option argument for XCLAIM")


def _min_idle(call: Call) -> int:
    name = call.command.name.upper()
    return max(0, integer(call.args[3], f"ERR Invalid min-idle-time argument for {name}"))


def _take(
    call: Call, stream: Stream, group: Group, consumer: Consumer, found: tuple[EntryId, Pending],
    claim: _Claim,
) -> Reply:  # fmt: skip
    """Give one pending entry to a consumer."""
    entry_id, pending = found
    if pending.consumer is not consumer:
        group.hand_over(entry_id, pending, consumer)
    pending.delivered_at = claim.delivered_at
    if claim.deliveries is not None:
        pending.deliveries = claim.deliveries
    elif not claim.justid:
        pending.deliveries += 1
    consumer.active_at = call.now
    call.db.changes += 1
    return show(entry_id) if claim.justid else entry(stream, entry_id)


@command("XCLAIM", -6, "write fast", ONE)
def xclaim(call: Call) -> Reply:
    stream, group = _find(call)
    ids, claim = _read_claim(call)
    if claim.last_id is not None and claim.last_id > group.last_id:
        group.last_id = claim.last_id
    consumer = group.consumer(call.args[2], call.now)
    answer = []
    for entry_id in ids:
        pending = group.pending.get(entry_id)
        if entry_id not in stream.entries:
            group.forget(entry_id)
            continue
        if pending is None and claim.force:
            pending = group.pending[entry_id] = Pending(consumer, call.now)
            consumer.pending[entry_id] = None
        elif pending is not None and call.now - pending.delivered_at < claim.idle:
            continue
        if pending is not None:
            answer.append(_take(call, stream, group, consumer, (entry_id, pending), claim))
    return answer


@command("XAUTOCLAIM", -6, "write fast", ONE)
def xautoclaim(call: Call) -> Reply:
    claim = _Claim(_min_idle(call), call.now)
    start = parse_bound(call.args[4], lowest=True)
    count, words = 100, Words(call.args, 5)
    while words:
        word = words.option()
        if word == b"COUNT" and words:
            count = integer(words.word(), "ERR COUNT must be > 0")
            if count <= 0 or count > 2**60:
                raise RedisError("ERR COUNT must be > 0")
        elif word == b"JUSTID":
            claim.justid = True
        else:
            raise syntax_error()
    stream, group = _find(call)
    consumer = group.consumer(call.args[2], call.now)
    return _auto_claim(call, stream, group, consumer, (start, count), claim)


def _auto_claim(
    call: Call, stream: Stream, group: Group, consumer: Consumer, asked: tuple[EntryId, int],
    claim: _Claim,
) -> Reply:  # fmt: skip
    start, count = asked
    ahead = [entry_id for entry_id in group.pending_ids() if entry_id >= start]
    tries, claimed, deleted = count * _TRIES_FOR_EACH, [], []
    position = 0
    while position < len(ahead) and tries and count:
        entry_id = ahead[position]
        position += 1
        tries -= 1
        pending = group.pending[entry_id]
        if entry_id not in stream.entries:
            group.forget(entry_id)
            deleted.append(show(entry_id))
            count -= 1
        elif call.now - pending.delivered_at >= claim.idle:
            claimed.append(_take(call, stream, group, consumer, (entry_id, pending), claim))
            count -= 1
    cursor = ahead[position] if position < len(ahead) else ZERO
    return [show(cursor), claimed, deleted]
