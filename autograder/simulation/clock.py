"""Inside a world every clock shows virtual time, however it was imported.

The functions of ``time`` and the class ``datetime.datetime`` are replaced while worlds run. The
replacements ask which world runs on this thread, and read the real clock when none does, so
a module that bound one of them at import keeps working after the last world.
"""

from __future__ import annotations

import copyreg
import datetime
import sys
import time
from typing import TYPE_CHECKING, Any

from .current import here
from .loop import START
from .patches import Patches

if TYPE_CHECKING:
    from .world import World

EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()
"""The date every world begins at, in seconds since 1970 (UTC)."""

_real_datetime = datetime.datetime
_real: dict[str, Any] = {
    name: getattr(time, name)
    for name in (
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "gmtime",
        "localtime",
        "ctime",
        "strftime",
        "sleep",
    )
}
real_monotonic = time.monotonic
"""The machine's own clock, for limits on real time."""
real_sleep = time.sleep


def _time() -> float:
    world = here.world
    return _real["time"]() if world is None else wall_time(world)


def _time_ns() -> int:
    world = here.world
    return _real["time_ns"]() if world is None else round(wall_time(world) * 1e9)


def wall_time(world: World) -> float:
    """Seconds since 1970 in a world."""
    return EPOCH + world.loop.now - START


def _monotonic() -> float:
    world = here.world
    return _real["monotonic"]() if world is None else world.loop.time()


def _monotonic_ns() -> int:
    world = here.world
    return _real["monotonic_ns"]() if world is None else round(world.loop.time() * 1e9)


def _perf_counter() -> float:
    world = here.world
    return _real["perf_counter"]() if world is None else world.loop.time()


def _perf_counter_ns() -> int:
    world = here.world
    return _real["perf_counter_ns"]() if world is None else round(world.loop.time() * 1e9)


def _gmtime(seconds: float | None = None) -> time.struct_time:
    shown: time.struct_time = _real["gmtime"](_time() if seconds is None else seconds)
    return shown


def _localtime(seconds: float | None = None) -> time.struct_time:
    shown: time.struct_time = _real["localtime"](_time() if seconds is None else seconds)
    return shown


def _ctime(seconds: float | None = None) -> str:
    shown: str = _real["ctime"](_time() if seconds is None else seconds)
    return shown


def _strftime(form: str, moment: Any = None) -> str:
    shown: str = _real["strftime"](form, _localtime() if moment is None else moment)
    return shown


def _sleep(seconds: float) -> None:
    world = here.world
    if world is None:
        _real["sleep"](seconds)
    elif here.worker is not None:
        here.worker.park(max(0.0, seconds))
    else:
        world.blocked(f"time.sleep({seconds:g})", "await asyncio.sleep(...)")
        # The whole world stands still meanwhile, exactly as it would outside.
        world.loop.now += max(0.0, seconds)


class _DatetimeType(type):
    def __instancecheck__(cls, instance: object) -> bool:
        if cls is _Datetime:
            return isinstance(instance, _real_datetime)
        return super().__instancecheck__(instance)

    def __subclasscheck__(cls, subclass: type) -> bool:
        if cls is _Datetime:
            return issubclass(subclass, _real_datetime)
        return super().__subclasscheck__(subclass)


class _Datetime(_real_datetime, metaclass=_DatetimeType):
    """A face for ``datetime.datetime`` whose ``now`` is virtual; it makes real datetimes.

    A class that derives from it inside a world makes instances of its own.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        made_of = _real_datetime if cls is _Datetime else cls
        return _real_datetime.__new__(made_of, *args, **kwargs)

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(_time(), tz)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.fromtimestamp(_time(), datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return cls.now()


_Datetime.__name__ = _Datetime.__qualname__ = "datetime"
_Datetime.__module__ = "datetime"

_REPLACEMENTS = {
    "time": _time,
    "time_ns": _time_ns,
    "monotonic": _monotonic,
    "monotonic_ns": _monotonic_ns,
    "perf_counter": _perf_counter,
    "perf_counter_ns": _perf_counter_ns,
    "gmtime": _gmtime,
    "localtime": _localtime,
    "ctime": _ctime,
    "strftime": _strftime,
    "sleep": _sleep,
}


_VIRTUAL: dict[int, Any] = {id(_real[name]): face for name, face in _REPLACEMENTS.items()}
_VIRTUAL[id(_real_datetime)] = _Datetime

_LIBRARIES = (
    "threading",
    "queue",
    "aiohttp",
    "websockets",
    "redis",
    "aiosqlite",
    "aio_pika",
    "aiormq",
)


def use_virtual_clocks(namespace: dict[str, Any]) -> None:
    """Replace real clocks that a module bound by name (``from time import monotonic``)."""
    for name, value in list(namespace.items()):
        face = _VIRTUAL.get(id(value))
        if face is not None:
            namespace[name] = face


_known: dict[str, Any] = {"modules": 0, "bindings": []}


def _bindings_in_libraries() -> list[tuple[Any, str, Any]]:
    """Where libraries that await have bound a clock by name; looked up again after imports."""
    if _known["modules"] != len(sys.modules):
        _known["modules"] = len(sys.modules)
        _known["bindings"] = [
            (module, name, _VIRTUAL[id(value)])
            for module_name, module in list(sys.modules.items())
            if module_name.partition(".")[0] in _LIBRARIES
            for name, value in list(vars(module).items())
            if id(value) in _VIRTUAL
        ]
    bindings: list[tuple[Any, str, Any]] = _known["bindings"]
    return bindings


def _reduce_datetime(value: datetime.datetime) -> Any:
    """Pickling looks a class up by its name, where the virtual one stands."""
    return _restore_datetime, value.__reduce__()[1]


def _restore_datetime(*args: Any) -> datetime.datetime:
    return _real_datetime(*args)


def install(patches: Patches) -> None:
    """Put the virtual clocks in place."""
    for name, replacement in _REPLACEMENTS.items():
        patches.put(time, name, replacement)
    patches.put(datetime, "datetime", _Datetime)
    for module, name, face in _bindings_in_libraries():
        patches.put(module, name, face)
    if _real_datetime not in copyreg.dispatch_table:
        copyreg.pickle(_real_datetime, _reduce_datetime)
        patches.undo_with(lambda: copyreg.dispatch_table.pop(_real_datetime, None))
