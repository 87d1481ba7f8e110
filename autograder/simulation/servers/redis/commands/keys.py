"""Keys whatever they hold: delete, look for, rename, copy, scan."""

from __future__ import annotations

import copy as copying
from collections.abc import Iterable
from zlib import crc32

from ..arguments import glob, integer, positive
from ..keyspace import TYPE_NAMES, Database
from ..replies import RedisError, Reply, no_such_key, syntax_error
from .strings import ONE
from .table import Call, Words, command

_MOST_ENCODED_TOGETHER = 128
_TYPES = {name.encode(): kind for kind, name in TYPE_NAMES.items()}


@command("DEL", -2, "write", (1, -1, 1))
@command("UNLINK", -2, "write fast", (1, -1, 1))
def delete(call: Call) -> Reply:
    return sum(call.db.delete(key) for key in call.args)


@command("EXISTS", -2, "readonly fast", (1, -1, 1))
@command("TOUCH", -2, "readonly fast", (1, -1, 1))
def exists(call: Call) -> Reply:
    return sum(key in call.db.values for key in call.args)


@command("TYPE", 2, "readonly fast", ONE)
def type_(call: Call) -> Reply:
    value = call.db.values.get(call.args[0])
    return "none" if value is None else TYPE_NAMES[type(value)]


@command("KEYS", 2, "readonly")
def keys(call: Call) -> Reply:
    pattern = glob(call.args[0])
    return [key for key in call.db.values if pattern.match(key)]


@command("RANDOMKEY", 1, "readonly")
def randomkey(call: Call) -> Reply:
    there = list(call.db.values)
    return there[call.engine.choose(len(there))] if there else None


@command("DBSIZE", 1, "readonly fast")
def dbsize(call: Call) -> Reply:
    return len(call.db.values)


def _flush_mode(call: Call) -> None:
    if len(call.args) > 1 or (call.args and call.args[0].upper() not in (b"ASYNC", b"SYNC")):
        raise syntax_error()


@command("FLUSHDB", -1, "write")
def flushdb(call: Call) -> Reply:
    _flush_mode(call)
    call.db.clear()
    return "OK"


@command("FLUSHALL", -1, "write")
def flushall(call: Call) -> Reply:
    _flush_mode(call)
    for database in list(call.engine.databases.values()):
        database.clear()
    return "OK"


# -- moving ---------------------------------------------------------------------------------------


def _move(source: Database, key: bytes, target: Database, new: bytes) -> None:
    value, when = source.values[key], source.expiries.get(key)
    source.delete(key)
    target.delete(new)
    target.store(new, value)
    target.expire_at(new, when)


def _rename(call: Call) -> bool:
    key, new = call.args
    if key not in call.db.values:
        raise no_such_key()
    if call.command.name == "renamenx" and new in call.db.values:
        return False
    if key != new:
        _move(call.db, key, call.db, new)
    return True


@command("RENAME", 3, "write", (1, 2, 1))
def rename(call: Call) -> Reply:
    _rename(call)
    return "OK"


@command("RENAMENX", 3, "write fast", (1, 2, 1))
def renamenx(call: Call) -> Reply:
    return int(_rename(call))


def database_of(call: Call, text: bytes) -> Database:
    """The database that an argument names; raises `RedisError`."""
    number = integer(text)
    if not 0 <= number < 16:
        raise RedisError("ERR DB index is out of range")
    return call.engine.database(number)


def _same_objects() -> RedisError:
    return RedisError("ERR source and destination objects are the same")


@command("MOVE", 3, "write fast", ONE)
def move(call: Call) -> Reply:
    key, target = call.args[0], database_of(call, call.args[1])
    if target is call.db:
        raise _same_objects()
    if key not in call.db.values or key in target.values:
        return 0
    _move(call.db, key, target, key)
    return 1


@command("COPY", -3, "write denyoom", (1, 2, 1))
def copy(call: Call) -> Reply:
    key, new = call.args[:2]
    target, replace, words = call.db, False, Words(call.args, 2)
    while words:
        word = words.option()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and words:
            target = database_of(call, words.word())
        else:
            raise syntax_error()
    if target is call.db and key == new:
        raise _same_objects()
    if key not in call.db.values or (new in target.values and not replace):
        return 0
    target.delete(new)
    target.store(new, copying.deepcopy(call.db.values[key]))
    target.expire_at(new, call.db.expiries.get(key))
    return 1


# -- scanning -------------------------------------------------------------------------------------


def _place(key: bytes) -> int:
    """Where a key lies on the way of a cursor: what is there all the time is met once."""
    return crc32(key) + 1


def page(items: Iterable[bytes], cursor: int, count: int) -> tuple[int, list[bytes]]:
    """The next cursor, 0 at the end, and at least ``count`` items from a cursor on."""
    ahead = sorted((place, item) for item in items if (place := _place(item)) >= cursor)
    if len(ahead) <= count:
        return 0, [item for _, item in ahead]
    end = ahead[count][0]
    if ahead[count - 1][0] == end:  # two items at one place stay together
        end += 1
    return end, [item for place, item in ahead if place < end]


class ScanOptions:
    """``MATCH``, ``COUNT`` and what else a scan of some kind takes."""

    __slots__ = ("_words", "count", "cursor", "flags", "kind", "pattern")

    def __init__(self, words: Words) -> None:
        text = words.word()
        if not text.isdigit() or int(text) >= 2**64:
            raise RedisError("ERR invalid cursor")
        self.cursor = int(text)
        self.pattern = glob(b"*")
        self.count = 10
        self.kind: bytes | None = None
        self.flags: set[bytes] = set()
        self._words = words

    def read(self, flags: tuple[bytes, ...] = (), has_type: bool = False) -> None:
        """Read what comes after the cursor."""
        words = self._words
        while words:
            word = words.option()
            if word == b"MATCH":
                self.pattern = glob(words.word())
            elif word == b"COUNT":
                self.count = integer(words.word())
                if self.count < 1:
                    raise syntax_error()
            elif word == b"TYPE" and has_type:
                self.kind = words.word().lower()
                if self.kind not in _TYPES:
                    shown = self.kind.decode("utf-8", "replace")
                    raise RedisError(f"ERR unknown type name '{shown}'")
            elif word in flags:
                self.flags.add(word)
            else:
                raise syntax_error()

    def page(self, items: Iterable[bytes], count: int | None = None) -> tuple[bytes, list[bytes]]:
        """The next cursor, and what matches of the items that this page holds."""
        cursor, found = page(items, self.cursor, count or self.count)
        return b"%d" % cursor, [item for item in found if self.pattern.match(item)]

    def page_of_value(self, items: Iterable[bytes], size: int) -> tuple[bytes, list[bytes]]:
        """As `page`, for what one key holds: a small value is given whole, in its own order."""
        if size <= _MOST_ENCODED_TOGETHER:
            return b"0", [item for item in items if self.pattern.match(item)]
        return self.page(items)


@command("SCAN", -2, "readonly")
def scan(call: Call) -> Reply:
    options = ScanOptions(Words(call.args))
    options.read(has_type=True)
    cursor, found = options.page(call.db.values)
    if options.kind is not None:
        wanted = _TYPES[options.kind]
        found = [key for key in found if type(call.db.values[key]) is wanted]
    return [cursor, found]


# -- details of a key -----------------------------------------------------------------------------


@command("OBJECT ENCODING", 3, "readonly", (2, 2, 1))
def object_encoding(call: Call) -> Reply:
    value = call.db.values.get(call.args[0])
    if value is None:
        return None
    if type(value) is bytes:
        from ..arguments import integer_or_none

        if integer_or_none(value) is not None:
            return b"int"
        return b"embstr" if len(value) <= 44 else b"raw"
    few = len(value) <= _MOST_ENCODED_TOGETHER
    large = {"list": b"quicklist", "hash": b"hashtable", "set": b"hashtable", "zset": b"skiplist"}
    name = TYPE_NAMES[type(value)]
    return b"stream" if name == "stream" else b"listpack" if few else large[name]


@command("OBJECT IDLETIME", 3, "readonly", (2, 2, 1))
def object_idletime(call: Call) -> Reply:
    return None if call.args[0] not in call.db.values else 0


@command("OBJECT REFCOUNT", 3, "readonly", (2, 2, 1))
def object_refcount(call: Call) -> Reply:
    return None if call.args[0] not in call.db.values else 1


@command("SWAPDB", 3, "write fast")
def swapdb(call: Call) -> Reply:
    one, other = (database_of(call, text) for text in call.args)
    one.values, other.values = other.values, one.values
    expiries = one.expiries, other.expiries
    for database, mine in ((one, expiries[1]), (other, expiries[0])):
        database.expiries = {}
        for key, when in mine.items():
            database.expire_at(key, when)
        for key in {**database.watchers, **database.waiting}:
            database.touch(key)
    return "OK"


@command("WAIT", 3, "blocking")
def wait(call: Call) -> Reply:
    integer(call.args[0])
    positive(call.args[1], "ERR timeout is negative")
    return 0
