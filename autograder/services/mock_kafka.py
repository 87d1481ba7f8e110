"""Kafka without a server: the mock cluster that librdkafka brings for its own tests.

It listens on ports of this machine and speaks Kafka's protocol, so that real clients run on it,
also from other processes. It has topics, groups of both protocols, committed offsets. What it
lacks: it accepts transactions and does not carry them out (what was aborted is there, offsets sent
to a transaction are not), it fences nobody, it keeps nothing when it ends.

confluent-kafka can only switch it on. What makes it quick (how many partitions, how soon a group
hears of a change) is in librdkafka's `rdkafka_mock.h`, and called by ctypes.
"""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_INT, _TEXT, _POINTER = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
_PRODUCER = 0
_ERROR_LENGTH = 512


class MockKafka:
    """A cluster in this process, which ends with it.

    It cannot be ended before: librdkafka may wait for ever when it takes down a cluster that still
    has clients. So there is one for all, and whoever uses it takes names that nobody else has.

    Args:
        brokers: how many.
        heartbeat: seconds between the heartbeats of a member of a group of `group.protocol`
            "consumer": that soon it hears of a rebalance.
        session: seconds after which such a member that sends none is taken for dead.

    Attributes:
        bootstrap: the addresses, for "bootstrap.servers".
    """

    def __init__(self, brokers: int = 1, *, heartbeat: float = 0.03, session: float = 10.0) -> None:
        library = _library()
        message = ctypes.create_string_buffer(_ERROR_LENGTH)
        settings = library.rd_kafka_conf_new()
        library.rd_kafka_conf_set(settings, b"log_level", b"0", message, _ERROR_LENGTH)
        client = library.rd_kafka_new(_PRODUCER, settings, message, _ERROR_LENGTH)
        if not client:
            raise RuntimeError(f"librdkafka gives no client: {message.value.decode()}")
        with _no_signals():
            cluster = library.rd_kafka_mock_cluster_new(client, brokers)
        for setting, seconds in (("heartbeat_interval", heartbeat), ("session_timeout", session)):
            put = getattr(library, f"rd_kafka_mock_set_group_consumer_{setting}_ms")
            put(cluster, round(seconds * 1000))
        library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
        self.bootstrap = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
        self._cluster, self._brokers = cluster, brokers

    def create_topic(self, name: str, partitions: int) -> None:
        """A topic with so many partitions. One that is only used has four.

        Raises:
            RuntimeError: it cannot be created.
        """
        failure = _library().rd_kafka_mock_topic_create(
            self._cluster, name.encode(), partitions, self._brokers
        )
        if failure:
            raise RuntimeError(f"the topic {name} cannot be created: error {failure} of librdkafka")


@cache
def mock_kafka() -> MockKafka:
    """The cluster of this process."""
    return MockKafka()


@contextmanager
def _no_signals() -> Iterator[None]:
    """A thread that begins here is sent no signals. One that reaches the cluster's while it polls
    ends the cluster, and the kernel chooses any thread that lets it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "rd_kafka_conf_new": (_POINTER, ()),
    "rd_kafka_conf_set": (_INT, (_POINTER, _TEXT, _TEXT, _TEXT, ctypes.c_size_t)),
    "rd_kafka_new": (_POINTER, (_INT, _POINTER, _TEXT, ctypes.c_size_t)),
    "rd_kafka_mock_cluster_new": (_POINTER, (_POINTER, _INT)),
    "rd_kafka_mock_cluster_bootstraps": (_TEXT, (_POINTER,)),
    "rd_kafka_mock_topic_create": (_INT, (_POINTER, _TEXT, _INT, _INT)),
    "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (_POINTER, ctypes.c_int32)),
    "rd_kafka_mock_set_group_consumer_heartbeat_interval_ms": (None, (_POINTER, _INT)),
    "rd_kafka_mock_set_group_consumer_session_timeout_ms": (None, (_POINTER, _INT)),
}


@cache
def _library() -> Any:
    """librdkafka, as the wheel of confluent-kafka brings it; or the system's."""
    client: Any = import_module("confluent_kafka")
    here = Path(client.__file__).parent
    folders = (here.parent / "confluent_kafka.libs", here / ".dylibs", here)
    found = [str(path) for folder in folders for path in sorted(folder.glob("*rdkafka*"))]
    for name in (*found, "librdkafka.so.1", "librdkafka.dylib"):
        try:
            library = ctypes.CDLL(name)
            for function, (result, arguments) in _FUNCTIONS.items():
                getattr(library, function).restype = result
                getattr(library, function).argtypes = arguments
        except (OSError, AttributeError):
            continue
        return library
    raise RuntimeError("librdkafka's mock cluster is not in this build of confluent-kafka")
