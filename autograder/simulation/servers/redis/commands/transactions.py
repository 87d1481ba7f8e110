"""MULTI and EXEC: commands that run together; WATCH: only if nobody came in between."""

from __future__ import annotations

from ..replies import NULL_ARRAY, RedisError, Reply
from .table import Call, command


@command("MULTI", 1, "noscript fast no_multi")
def multi(call: Call) -> Reply:
    call.session.queue = []
    return "OK"


@command("EXEC", 1, "noscript")
def exec_(call: Call) -> Reply:
    session = call.session
    queue = session.queue
    if queue is None:
        raise RedisError("ERR EXEC without MULTI")
    failed, changed = session.queue_failed, session.watched_changed
    call.engine.discard_queue(session)
    if failed:
        raise RedisError("EXECABORT Transaction discarded because of previous errors.")
    if changed:
        return NULL_ARRAY
    run = call.engine.call
    return [run(session, queued, args, waits=False) for queued, args in queue]


@command("DISCARD", 1, "noscript fast")
def discard(call: Call) -> Reply:
    if call.session.queue is None:
        raise RedisError("ERR DISCARD without MULTI")
    call.engine.discard_queue(call.session)
    return "OK"


@command("WATCH", -2, "noscript fast no_multi", (1, -1, 1))
def watch(call: Call) -> Reply:
    session, db = call.session, call.db
    for key in call.args:
        session.watched[db.number, key] = None
        db.watchers.setdefault(key, {})[session] = None
    return "OK"


@command("UNWATCH", 1, "noscript fast")
def unwatch(call: Call) -> Reply:
    call.engine.forget_watches(call.session)
    return "OK"
