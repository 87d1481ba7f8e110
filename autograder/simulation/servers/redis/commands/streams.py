"""Streams: add, look, delete and trim. Blocking reads and consumer groups have their own files."""

from __future__ import annotations

from dataclasses import dataclass

from ..arguments import integer
from ..replies import NULL_ARRAY, RedisError, Reply, no_such_key, syntax_error
from ..stream_ids import LAST, ZERO, EntryId, parse, parse_bound, show
from ..streams import Stream
from .strings import ONE
from .table import Call, Words, command

_MOST_TRIMMED_ROUGHLY = 10_000


def entry(stream: Stream, entry_id: EntryId) -> Reply:
    """An entry as it is answered: its id, and fields and values in turn."""
    return [show(entry_id), list(stream.entries[entry_id])]


# -- trimming -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Trimming:
    strategy: bytes = b""
    length: int = 0
    lowest: EntryId = ZERO
    roughly: bool = False
    limit: int | None = None

    def apply(self, stream: Stream) -> int:
        """Trim; how many entries are gone."""
        limit = self.limit
        if limit is None:
            limit = _MOST_TRIMMED_ROUGHLY if self.roughly else 0
        if self.strategy == b"MAXLEN":
            return stream.trim_to_length(self.length, roughly=self.roughly, limit=limit)
        if self.strategy == b"MINID":
            return stream.trim_below(self.lowest, roughly=self.roughly, limit=limit)
        return 0


def _read_strategy(trimming: _Trimming, word: bytes, words: Words) -> None:
    if trimming.strategy:
        raise RedisError(
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible"
        )
    trimming.strategy = word
    value = words.word()
    if value in (b"~", b"=") and words:
        trimming.roughly = value == b"~"
        value = words.word()
    if word == b"MAXLEN":
        trimming.length = integer(value)
        if trimming.length < 0:
            raise RedisError("ERR The MAXLEN argument must be >= 0.")
    else:
        trimming.lowest = parse(value)


def _check_limit(trimming: _Trimming, *, must_trim: bool = False) -> None:
    if trimming.limit is None or (must_trim and not trimming.strategy and not trimming.limit):
        return
    if not trimming.strategy and trimming.limit:
        raise RedisError(
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"
        )
    if not trimming.roughly:
        raise RedisError("ERR syntax error, LIMIT cannot be used without the special ~ option")


def _read_limit(words: Words) -> int:
    limit = integer(words.word())
    if limit < 0:
        raise RedisError("ERR The LIMIT argument must be >= 0.")
    return limit


@command("XTRIM", -4, "write", ONE)
def xtrim(call: Call) -> Reply:
    trimming, words = _Trimming(), Words(call.args, 1)
    while words:
        word = words.option()
        if word in (b"MAXLEN", b"MINID") and words:
            _read_strategy(trimming, word, words)
        elif word == b"LIMIT" and words:
            trimming.limit = _read_limit(words)
        else:
            raise syntax_error()
    _check_limit(trimming, must_trim=True)
    if not trimming.strategy:
        raise RedisError("ERR syntax error, XTRIM must be called with a trimming strategy")
    stream = call.db.get(call.args[0], Stream)
    if stream is None:
        return 0
    gone = trimming.apply(stream)
    if gone:
        call.db.touch(call.args[0])
    return gone


# -- add ------------------------------------------------------------------------------------------


def _new_id(call: Call, stream: Stream, text: bytes) -> EntryId:
    too_small = RedisError(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item"
    )
    if stream.last_id == LAST:
        raise RedisError(
            "ERR The stream has exhausted the last possible ID, unable to add more items"
        )
    if text == b"*":
        found = stream.next_id(call.now)
    elif text.endswith(b"-*"):
        milliseconds, _ = parse(text[:-2])
        last = stream.last_id
        if milliseconds < last[0] or (milliseconds == last[0] and last[1] == LAST[1]):
            raise too_small
        found = (milliseconds, last[1] + 1 if milliseconds == last[0] else 0)
    else:
        found = parse(text)
    if found is None or found <= stream.last_id:
        raise too_small
    return found


def _is_zero(text: bytes) -> bool:
    """True for an id that none can have. Raises `RedisError` for what is no id."""
    return text != b"*" and parse(text.removesuffix(b"-*")) == ZERO and not text.endswith(b"-*")


@command("XADD", -5, "write denyoom fast", ONE)
def xadd(call: Call) -> Reply:
    key = call.args[0]
    trimming, make, words = _Trimming(), True, Words(call.args, 1)
    while True:
        word = words.option() if words else b""
        if word == b"NOMKSTREAM":
            make = False
        elif word in (b"MAXLEN", b"MINID") and words.left() >= 1:
            _read_strategy(trimming, word, words)
        elif word == b"LIMIT" and words.left() >= 1:
            trimming.limit = _read_limit(words)
        else:
            break
    words.position -= 1
    _check_limit(trimming)
    if not words:
        raise call.wrong_number()
    text = words.word()
    is_zero = _is_zero(text)
    fields = words.rest()
    if not fields or len(fields) % 2:
        raise call.wrong_number()
    if is_zero:
        raise RedisError("ERR The ID specified in XADD must be greater than 0-0")
    stream = call.db.get(key, Stream)
    if stream is None:
        if not make:
            return None
        stream = Stream()
    entry_id = _new_id(call, stream, text)
    stream.append(entry_id, tuple(fields))
    trimming.apply(stream)
    call.db.store(key, stream)
    return show(entry_id)


# -- look -----------------------------------------------------------------------------------------


def _range(call: Call, low: bytes, high: bytes, *, reverse: bool) -> Reply:
    first, last = parse_bound(low, lowest=True), parse_bound(high, lowest=False)
    count, words = -1, Words(call.args, 3)
    while words:
        if words.option() != b"COUNT" or not words:
            raise syntax_error()
        count = max(0, integer(words.word()))
    stream = call.db.get(call.args[0], Stream)
    if stream is None:
        return []
    if count == 0:
        return NULL_ARRAY
    most = None if count < 0 else count
    found = stream.reversed_range(first, last, most) if reverse else stream.range(first, last, most)
    return [entry(stream, entry_id) for entry_id in found]


@command("XRANGE", -4, "readonly", ONE)
def xrange(call: Call) -> Reply:
    return _range(call, call.args[1], call.args[2], reverse=False)


@command("XREVRANGE", -4, "readonly", ONE)
def xrevrange(call: Call) -> Reply:
    return _range(call, call.args[2], call.args[1], reverse=True)


@command("XLEN", 2, "readonly fast", ONE)
def xlen(call: Call) -> Reply:
    stream = call.db.get(call.args[0], Stream)
    return 0 if stream is None else len(stream)


@command("XDEL", -3, "write fast", ONE)
def xdel(call: Call) -> Reply:
    stream = call.db.get(call.args[0], Stream)
    if stream is None:
        return 0
    wanted = [parse(text) for text in call.args[1:]]
    gone = sum(stream.delete(entry_id) for entry_id in wanted)
    if gone:
        call.db.touch(call.args[0])
    return gone


@command("XSETID", -3, "write denyoom fast", ONE)
def xsetid(call: Call) -> Reply:
    new, words = parse(call.args[1]), Words(call.args, 2)
    added: int | None = None
    deleted = ZERO
    while words:
        word = words.option()
        if word == b"ENTRIESADDED" and words:
            added = integer(words.word())
            if added < 0:
                raise RedisError("ERR entries_added must be positive")
        elif word == b"MAXDELETEDID" and words:
            deleted = parse(words.word())
            if new < deleted:
                raise RedisError(
                    "ERR The ID specified in XSETID is smaller than the provided "
                    "max_deleted_entry_id"
                )
        else:
            raise syntax_error()
    stream = call.db.get(call.args[0], Stream)
    if stream is None:
        raise no_such_key()
    _check_new_last_id(stream, new, added)
    stream.last_id = new
    stream.entries_added = stream.entries_added if added is None else added
    stream.max_deleted = stream.max_deleted if deleted == ZERO else deleted
    call.db.changes += 1
    return "OK"


def _check_new_last_id(stream: Stream, new: EntryId, added: int | None) -> None:
    if new < stream.max_deleted:
        raise RedisError(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
        )
    if stream.entries:
        if new < stream.reversed_range(ZERO, LAST, 1)[0]:
            raise RedisError(
                "ERR The ID specified in XSETID is smaller than the target stream top item"
            )
        if added is not None and added < len(stream):
            raise RedisError(
                "ERR The entries_added specified in XSETID is smaller than the target stream length"
            )
