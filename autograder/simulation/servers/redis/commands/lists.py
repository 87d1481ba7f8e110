"""Lists, and the commands that wait for an element."""

from __future__ import annotations

from collections.abc import Callable

from ..arguments import bounds, integer, positive, seconds
from ..replies import NOTHING_YET, NULL_ARRAY, RedisError, Reply, no_such_key, syntax_error
from ..values import List
from .strings import ONE
from .table import Call, Words, command

LEFT, RIGHT = b"LEFT", b"RIGHT"


def _read(call: Call) -> List:
    return call.db.get(call.args[0], List) or List()


# -- push -----------------------------------------------------------------------------------------


def _push(call: Call, side: bytes, *, must_exist: bool = False) -> Reply:
    key, *elements = call.args
    values = call.db.get(key, List)
    if values is None:
        if must_exist:
            return 0
        values = List()
    if side == LEFT:
        values[:0] = elements[::-1]
    else:
        values.extend(elements)
    call.db.store(key, values)
    return len(values)


@command("LPUSH", -3, "write denyoom fast", ONE)
def lpush(call: Call) -> Reply:
    return _push(call, LEFT)


@command("RPUSH", -3, "write denyoom fast", ONE)
def rpush(call: Call) -> Reply:
    return _push(call, RIGHT)


@command("LPUSHX", -3, "write denyoom fast", ONE)
def lpushx(call: Call) -> Reply:
    return _push(call, LEFT, must_exist=True)


@command("RPUSHX", -3, "write denyoom fast", ONE)
def rpushx(call: Call) -> Reply:
    return _push(call, RIGHT, must_exist=True)


# -- pop ------------------------------------------------------------------------------------------


def _take(call: Call, key: bytes, values: List, side: bytes, count: int = 1) -> list[bytes]:
    """Take elements off one end; a list without any is gone."""
    if side == LEFT:
        taken = values[:count]
        del values[:count]
    else:
        taken = values[-count:][::-1] if count else []
        del values[len(values) - len(taken) :]
    if taken:
        call.db.store(key, values)
    return taken


def _pop(call: Call, side: bytes) -> Reply:
    if len(call.args) > 2:
        raise call.wrong_number()
    key = call.args[0]
    count = positive(call.args[1]) if len(call.args) == 2 else None
    values = call.db.get(key, List)
    if values is None:
        return None if count is None else NULL_ARRAY
    taken = _take(call, key, values, side, 1 if count is None else count)
    return taken[0] if count is None else taken


@command("LPOP", -2, "write fast", ONE)
def lpop(call: Call) -> Reply:
    return _pop(call, LEFT)


@command("RPOP", -2, "write fast", ONE)
def rpop(call: Call) -> Reply:
    return _pop(call, RIGHT)


def first_there(call: Call, keys: list[bytes], found: Callable[[bytes, List], Reply]) -> Reply:
    """What ``found`` makes of the first list that is there."""
    for key in keys:
        values = call.db.get(key, List)
        if values is not None:
            return found(key, values)
    return NOTHING_YET


def _pop_when_there(call: Call, side: bytes) -> Reply:
    *keys, time = call.args

    def take(key: bytes, values: List) -> Reply:
        return [key, _take(call, key, values, side)[0]]

    return call.block(keys, List, lambda: first_there(call, keys, take), seconds(time), NULL_ARRAY)


@command("BLPOP", -3, "write blocking", (1, -2, 1))
def blpop(call: Call) -> Reply:
    return _pop_when_there(call, LEFT)


@command("BRPOP", -3, "write blocking", (1, -2, 1))
def brpop(call: Call) -> Reply:
    return _pop_when_there(call, RIGHT)


def numbered_keys(words: Words) -> list[bytes]:
    """Keys with their number in front; raises `RedisError`."""
    try:
        count = integer(words.word())
    except RedisError:
        count = 0
    if count <= 0:
        raise RedisError("ERR numkeys should be greater than 0")
    if count > words.left():
        raise syntax_error()
    return [words.word() for _ in range(count)]


def count_option(words: Words) -> int:
    """``COUNT`` and a number, if they are there."""
    if not words:
        return 1
    if words.option() != b"COUNT":
        raise syntax_error()
    count = positive(words.word(), "ERR count should be greater than 0")
    if count < 1:
        raise RedisError("ERR count should be greater than 0")
    if words:
        raise syntax_error()
    return count


def _read_lmpop(words: Words) -> tuple[list[bytes], bytes, int]:
    keys = numbered_keys(words)
    return keys, _side(words.word()), count_option(words)


def _side(word: bytes) -> bytes:
    side = word.upper()
    if side not in (LEFT, RIGHT):
        raise syntax_error()
    return side


@command("LMPOP", -4, "write")
def lmpop(call: Call) -> Reply:
    keys, side, count = _read_lmpop(Words(call.args))
    found = first_there(call, keys, lambda key, v: [key, _take(call, key, v, side, count)])
    return NULL_ARRAY if found is NOTHING_YET else found


@command("BLMPOP", -5, "write blocking")
def blmpop(call: Call) -> Reply:
    words = Words(call.args)
    timeout = seconds(words.word())
    keys, side, count = _read_lmpop(words)

    def attempt() -> Reply:
        return first_there(call, keys, lambda key, v: [key, _take(call, key, v, side, count)])

    return call.block(keys, List, attempt, timeout, NULL_ARRAY)


# -- move -----------------------------------------------------------------------------------------


def _move(call: Call, source: bytes, target: bytes, from_: bytes, to: bytes) -> Reply:
    values = call.db.get(source, List)
    if values is None:
        return NOTHING_YET
    goal = call.db.get(target, List)
    element = _take(call, source, values, from_)[0]
    goal = call.db.get(target, List)
    if goal is None:
        goal = List()
    goal.insert(0 if to == LEFT else len(goal), element)
    call.db.store(target, goal)
    return element


def _move_now(call: Call, source: bytes, target: bytes, from_: bytes, to: bytes) -> Reply:
    moved = _move(call, source, target, from_, to)
    return None if moved is NOTHING_YET else moved


@command("LMOVE", 5, "write denyoom", (1, 2, 1))
def lmove(call: Call) -> Reply:
    source, target, from_, to = call.args
    return _move_now(call, source, target, _side(from_), _side(to))


@command("RPOPLPUSH", 3, "write denyoom", (1, 2, 1))
def rpoplpush(call: Call) -> Reply:
    source, target = call.args
    return _move_now(call, source, target, RIGHT, LEFT)


def _move_when_there(call: Call, from_: bytes, to: bytes) -> Reply:
    source, target = call.args[:2]
    timeout = seconds(call.args[-1])
    empty = NULL_ARRAY if call.waits else None
    return call.block(
        [source], List, lambda: _move(call, source, target, from_, to), timeout, empty
    )


@command("BLMOVE", 6, "write denyoom blocking", (1, 2, 1))
def blmove(call: Call) -> Reply:
    return _move_when_there(call, _side(call.args[2]), _side(call.args[3]))


@command("BRPOPLPUSH", 4, "write denyoom blocking", (1, 2, 1))
def brpoplpush(call: Call) -> Reply:
    return _move_when_there(call, RIGHT, LEFT)


# -- elements in between --------------------------------------------------------------------------


@command("LLEN", 2, "readonly fast", ONE)
def llen(call: Call) -> Reply:
    return len(_read(call))


@command("LRANGE", 4, "readonly", ONE)
def lrange(call: Call) -> Reply:
    start, stop = integer(call.args[1]), integer(call.args[2])
    values = _read(call)
    low, high = bounds(start, stop, len(values))
    return values[low:high]


@command("LINDEX", 3, "readonly", ONE)
def lindex(call: Call) -> Reply:
    values = call.db.get(call.args[0], List)
    if values is None:
        return None
    index = integer(call.args[1])
    return values[index] if -len(values) <= index < len(values) else None


@command("LSET", 4, "write denyoom", ONE)
def lset(call: Call) -> Reply:
    key, text, element = call.args
    values = call.db.get(key, List)
    if values is None:
        raise no_such_key()
    index = integer(text)
    if not -len(values) <= index < len(values):
        raise RedisError("ERR index out of range")
    values[index] = element
    call.db.store(key, values)
    return "OK"


@command("LINSERT", 5, "write denyoom", ONE)
def linsert(call: Call) -> Reply:
    key, where, pivot, element = call.args
    if where.upper() not in (b"BEFORE", b"AFTER"):
        raise syntax_error()
    values = call.db.get(key, List)
    if values is None:
        return 0
    if pivot not in values:
        return -1
    values.insert(values.index(pivot) + (where.upper() == b"AFTER"), element)
    call.db.store(key, values)
    return len(values)


@command("LTRIM", 4, "write", ONE)
def ltrim(call: Call) -> Reply:
    key = call.args[0]
    start, stop = integer(call.args[1]), integer(call.args[2])
    values = call.db.get(key, List)
    if values is not None:
        low, high = bounds(start, stop, len(values))
        if high - low < len(values):
            values[:] = values[low:high]
            call.db.store(key, values)
    return "OK"


@command("LREM", 4, "write", ONE)
def lrem(call: Call) -> Reply:
    key, text, element = call.args
    count = integer(text)
    values = call.db.get(key, List)
    if values is None:
        return 0
    places = [index for index, value in enumerate(values) if value == element]
    if count:
        places = places[:count] if count > 0 else places[count:]
    for index in reversed(places):
        del values[index]
    if places:
        call.db.store(key, values)
    return len(places)


@command("LPOS", -3, "readonly", ONE)
def lpos(call: Call) -> Reply:
    element, words = call.args[1], Words(call.args, 2)
    rank, count, most = 1, None, 0
    while words:
        word = words.option()
        if word == b"RANK":
            rank = integer(words.word())
            if rank == 0:
                raise RedisError(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                    "second ... or use negative to start from the end of the list"
                )
        elif word == b"COUNT":
            count = positive(words.word(), "ERR COUNT can't be negative")
        elif word == b"MAXLEN":
            most = positive(words.word(), "ERR MAXLEN can't be negative")
        else:
            raise syntax_error()
    places = list(enumerate(_read(call)))
    if rank < 0:
        places.reverse()
    found = [index for index, value in places[: most or None] if value == element]
    found = found[abs(rank) - 1 :]
    if count is None:
        return found[0] if found else None
    return found[: count or None]
