"""Publish and subscribe."""

from __future__ import annotations

from ..arguments import glob
from ..pubsub import Listeners, remove
from ..replies import NO_REPLY, Push, Reply
from .table import Call, command


def _subscribe(call: Call, kind: bytes, mine: dict[bytes, None], everybody: Listeners) -> Reply:
    session = call.session
    for name in call.args:
        mine[name] = None
        everybody.setdefault(name, {})[session] = None
        session.send(Push([kind, name, _count(call, mine)]))
    return NO_REPLY


def _unsubscribe(call: Call, kind: bytes, mine: dict[bytes, None], everybody: Listeners) -> Reply:
    """Without arguments: from all that there are, and one answer even if there are none."""
    session = call.session
    names: list[bytes | None] = list(call.args or mine)
    for name in names or [None]:
        if name is not None and name in mine:
            del mine[name]
            remove(everybody, name, session)
        session.send(Push([kind, name, _count(call, mine)]))
    return NO_REPLY


def _count(call: Call, mine: dict[bytes, None]) -> int:
    """Channels and patterns count together, shard channels by themselves."""
    session = call.session
    return len(mine) if mine is session.shard_channels else session.subscriptions


@command("SUBSCRIBE", -2, "pubsub noscript")
def subscribe(call: Call) -> Reply:
    return _subscribe(call, b"subscribe", call.session.channels, call.engine.pubsub.channels)


@command("PSUBSCRIBE", -2, "pubsub noscript")
def psubscribe(call: Call) -> Reply:
    return _subscribe(call, b"psubscribe", call.session.patterns, call.engine.pubsub.patterns)


@command("SSUBSCRIBE", -2, "pubsub noscript", (1, -1, 1))
def ssubscribe(call: Call) -> Reply:
    everybody = call.engine.pubsub.shard_channels
    return _subscribe(call, b"ssubscribe", call.session.shard_channels, everybody)


@command("UNSUBSCRIBE", -1, "pubsub noscript")
def unsubscribe(call: Call) -> Reply:
    return _unsubscribe(call, b"unsubscribe", call.session.channels, call.engine.pubsub.channels)


@command("PUNSUBSCRIBE", -1, "pubsub noscript")
def punsubscribe(call: Call) -> Reply:
    return _unsubscribe(call, b"punsubscribe", call.session.patterns, call.engine.pubsub.patterns)


@command("SUNSUBSCRIBE", -1, "pubsub noscript", (1, -1, 1))
def sunsubscribe(call: Call) -> Reply:
    everybody = call.engine.pubsub.shard_channels
    return _unsubscribe(call, b"sunsubscribe", call.session.shard_channels, everybody)


@command("PUBLISH", 3, "pubsub fast")
def publish(call: Call) -> Reply:
    return call.engine.pubsub.publish(*call.args)


@command("SPUBLISH", 3, "pubsub fast", (1, 1, 1))
def spublish(call: Call) -> Reply:
    return call.engine.pubsub.publish_to_shard(*call.args)


def _names(call: Call, listeners: Listeners) -> Reply:
    pattern = glob(call.args[0] if call.args else b"*")
    return [name for name in listeners if pattern.match(name)]


def _numbers(call: Call, listeners: Listeners) -> Reply:
    return [part for name in call.args for part in (name, len(listeners.get(name, ())))]


@command("PUBSUB CHANNELS", -2, "pubsub")
def pubsub_channels(call: Call) -> Reply:
    return _names(call, call.engine.pubsub.channels)


@command("PUBSUB SHARDCHANNELS", -2, "pubsub")
def pubsub_shardchannels(call: Call) -> Reply:
    return _names(call, call.engine.pubsub.shard_channels)


@command("PUBSUB NUMSUB", -2, "pubsub")
def pubsub_numsub(call: Call) -> Reply:
    return _numbers(call, call.engine.pubsub.channels)


@command("PUBSUB SHARDNUMSUB", -2, "pubsub")
def pubsub_shardnumsub(call: Call) -> Reply:
    return _numbers(call, call.engine.pubsub.shard_channels)


@command("PUBSUB NUMPAT", 2, "pubsub")
def pubsub_numpat(call: Call) -> Reply:
    return len(call.engine.pubsub.patterns)
