"""The connection itself: HELLO, AUTH, SELECT, PING, QUIT and CLIENT."""

from __future__ import annotations

from ..arguments import integer, positive
from ..replies import NO_REPLY, RedisError, Reply, Text, syntax_error
from ..session import Session
from .keys import database_of
from .table import Call, Words, command

VERSION = "9.1.2"
"""The version of Valkey whose answers this server gives."""

_ANYTIME = "noscript fast no_auth"


@command("PING", -1, "fast")
def ping(call: Call) -> Reply:
    if len(call.args) > 1:
        raise call.wrong_number()
    if call.session.protocol == 2 and call.session.is_subscribed:
        return [b"pong", call.args[0] if call.args else b""]
    return call.args[0] if call.args else "PONG"


@command("ECHO", 2, "fast")
def echo(call: Call) -> Reply:
    return call.args[0]


@command("SELECT", 2, "fast")
def select(call: Call) -> Reply:
    call.session.db = database_of(call, call.args[0])
    return "OK"


@command("QUIT", -1, _ANYTIME)
def quit_(call: Call) -> Reply:
    call.session.send("OK")
    call.session.close("it said QUIT")
    return NO_REPLY


@command("RESET", 1, _ANYTIME)
def reset(call: Call) -> Reply:
    session = call.session
    call.engine.discard_queue(session)
    call.engine.pubsub.drop(session)
    session.protocol = 2
    session.name = b""
    session.db = call.engine.database(0)
    session.authenticated = call.engine.password is None
    session.silent = False
    return "RESET"


# -- who is there ---------------------------------------------------------------------------------


def _authenticate(call: Call, user: bytes, password: bytes) -> None:
    wanted = call.engine.password
    if user != b"default" or (wanted is not None and password != wanted.encode()):
        raise RedisError("WRONGPASS invalid username-password pair or user is disabled.")
    call.session.authenticated = True


@command("AUTH", -2, _ANYTIME)
def auth(call: Call) -> Reply:
    if len(call.args) > 2:
        raise syntax_error()
    if len(call.args) == 1 and call.engine.password is None:
        raise RedisError(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    user = call.args[0] if len(call.args) == 2 else b"default"
    _authenticate(call, user, call.args[-1])
    return "OK"


@command("HELLO", -1, _ANYTIME)
def hello(call: Call) -> Reply:
    session, words = call.session, Words(call.args)
    protocol = session.protocol
    name: bytes | None = None
    if words:
        protocol = integer(words.word(), "ERR Protocol version is not an integer or out of range")
        if protocol not in (2, 3):
            raise RedisError("NOPROTO unsupported protocol version")
    while words:
        word = words.option()
        if word == b"AUTH" and words.left() >= 2:
            _authenticate(call, words.word(), words.word())
        elif word == b"SETNAME" and words:
            name = words.word()
            _check_name(name, "Client names")
        else:
            shown = call.args[words.position - 1].decode("utf-8", "replace")
            raise RedisError(f"ERR Syntax error in HELLO option '{shown}'")
    if not session.authenticated:
        raise RedisError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time"
        )
    session.protocol = protocol
    session.name = session.name if name is None else name
    return {
        b"server": b"valkey",
        b"version": VERSION.encode(),
        b"proto": protocol,
        b"id": session.number,
        b"mode": b"standalone",
        b"role": b"master",
        b"modules": [],
    }


def _check_name(name: bytes, what: str) -> None:
    if any(char < 33 or char > 126 for char in name):
        raise RedisError(f"ERR {what} cannot contain spaces, newlines or special characters.")


@command("CLIENT SETNAME", 3, "fast")
def client_setname(call: Call) -> Reply:
    _check_name(call.args[0], "Client names")
    call.session.name = call.args[0]
    return "OK"


@command("CLIENT GETNAME", 2, "fast")
def client_getname(call: Call) -> Reply:
    return call.session.name or None


@command("CLIENT SETINFO", 4, "fast")
def client_setinfo(call: Call) -> Reply:
    option, value = call.args
    if option.lower() not in call.session.library:
        raise RedisError(f"ERR Unrecognized option '{option.decode('utf-8', 'replace')}'")
    _check_name(value, option.decode())
    call.session.library[option.lower()] = value
    return "OK"


@command("CLIENT ID", 2, "fast")
def client_id(call: Call) -> Reply:
    return call.session.number


def _line(call: Call, session: Session) -> bytes:
    last = session.last_command or b"NULL"
    flags = "P" if session.is_subscribed else "x" if session.queue is not None else ""
    flags += "b" if session.wait is not None else ""
    parts = {
        "id": session.number,
        "addr": session.address,
        "name": session.name.decode(),
        "age": (call.now - session.connected_at) // 1000,
        "idle": (call.now - session.last_at) // 1000,
        "flags": flags or "N",
        "db": session.db.number,
        "sub": len(session.channels),
        "psub": len(session.patterns),
        "ssub": len(session.shard_channels),
        "multi": -1 if session.queue is None else len(session.queue),
        "watch": len(session.watched),
        "cmd": last.decode("utf-8", "replace"),
        "user": "default",
        "resp": session.protocol,
        "lib-name": session.library[b"lib-name"].decode(),
        "lib-ver": session.library[b"lib-ver"].decode(),
        "tot-cmds": session.commands,
    }
    return " ".join(f"{key}={value}" for key, value in parts.items()).encode()


@command("CLIENT INFO", 2)
def client_info(call: Call) -> Reply:
    return Text(_line(call, call.session) + b"\n")


_KINDS = (b"normal", b"master", b"replica", b"slave", b"pubsub")


def _kind(session: Session) -> bytes:
    return b"pubsub" if session.is_subscribed else b"normal"


def _read_kind(words: Words) -> bytes:
    kind = words.word().lower()
    if kind not in _KINDS:
        raise RedisError(f"ERR Unknown client type '{kind.decode('utf-8', 'replace')}'")
    return kind


@command("CLIENT LIST", -2)
def client_list(call: Call) -> Reply:
    sessions, words = list(call.engine.sessions.values()), Words(call.args)
    while words:
        word = words.option()
        if word == b"ID" and words:
            wanted = {integer(text, "ERR Invalid client ID") for text in words.rest()}
            sessions = [session for session in sessions if session.number in wanted]
            break
        if word != b"TYPE" or not words:
            raise syntax_error()
        kind = _read_kind(words)
        sessions = [session for session in sessions if _kind(session) == kind]
    return Text(b"".join(_line(call, session) + b"\n" for session in sessions))


# -- what is done to others -----------------------------------------------------------------------


@command("CLIENT KILL", -3)
def client_kill(call: Call) -> Reply:
    if len(call.args) == 1:
        address = call.args[0].decode("utf-8", "replace")
        found = [s for s in call.engine.sessions.values() if s.address == address]
        if not found:
            raise RedisError("ERR No such client")
        _kill(call, found)
        return "OK"
    chosen, words, skip_me = list(call.engine.sessions.values()), Words(call.args), True
    while words:
        word, value = words.option(), words.word()
        if word == b"ID":
            number = positive(value, "ERR client-id should be greater than 0")
            chosen = [session for session in chosen if session.number == number]
        elif word == b"TYPE":
            words.position -= 1
            kind = _read_kind(words)
            chosen = [session for session in chosen if _kind(session) == kind]
        elif word == b"ADDR":
            chosen = [session for session in chosen if session.address == value.decode()]
        elif word == b"NAME":
            chosen = [session for session in chosen if session.name == value]
        elif word == b"SKIPME" and value.lower() in (b"yes", b"no"):
            skip_me = value.lower() == b"yes"
        else:
            raise syntax_error()
    return _kill(call, [s for s in chosen if not (skip_me and s is call.session)])


def _kill(call: Call, sessions: list[Session]) -> int:
    for session in sessions:
        if session is call.session:
            session.send("OK" if len(call.args) == 1 else len(sessions))
        session.close("CLIENT KILL")
    return len(sessions)


@command("CLIENT UNBLOCK", -3)
def client_unblock(call: Call) -> Reply:
    number = integer(call.args[0])
    how = call.args[1].upper() if len(call.args) > 1 else b"TIMEOUT"
    if how not in (b"TIMEOUT", b"ERROR"):
        raise RedisError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    session = call.engine.sessions.get(number)
    if session is None or session.wait is None:
        return 0
    error = RedisError("UNBLOCKED client unblocked via CLIENT UNBLOCK")
    call.engine.unblock(session, error if how == b"ERROR" else session.wait.empty)
    return 1


@command("CLIENT REPLY", 3)
def client_reply(call: Call) -> Reply:
    how = call.args[0].upper()
    session = call.session
    if how == b"ON":
        session.silent = False
        return "OK"
    if how == b"OFF":
        session.silent = True
    elif how == b"SKIP":
        session.skip_replies = 1
    else:
        raise syntax_error()
    return NO_REPLY


def _switch(call: Call) -> Reply:
    if call.args[0].upper() not in (b"ON", b"OFF"):
        raise syntax_error()
    return "OK"


@command("CLIENT NO-EVICT", 3)
def client_no_evict(call: Call) -> Reply:
    return _switch(call)


@command("CLIENT NO-TOUCH", 3)
def client_no_touch(call: Call) -> Reply:
    return _switch(call)


@command("CLIENT GETREDIR", 2)
def client_getredir(call: Call) -> Reply:
    return -1
