"""A deterministic asyncio world: virtual time, an in-memory network, one seed = one world.

Knows nothing of pytest or of courses. Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .channels import Channel, Closed
    from .decorator import WorldFailed, simulate
    from .events import Event
    from .exploration import Finding, explore, replay
    from .faults import Interrupted, interrupt
    from .limits import time_limit
    from .loop import SimulatedLoop
    from .ownership import Ownership, is_library
    from .plan import Plan, Settings, current_settings, use_settings
    from .problems import Crash, Deadlock, Livelock, Problem, Refused, Stuck, WorldEnded
    from .running import Outcome, run_world
    from .timeline import Timeline
    from .tokens import Token, read_token
    from .world import World

_HOMES = {
    "channels": ("Channel", "Closed"),
    "events": ("Event",),
    "exploration": ("Finding", "explore", "replay"),
    "faults": ("Interrupted", "interrupt"),
    "limits": ("time_limit",),
    "loop": ("SimulatedLoop",),
    "ownership": ("Ownership", "is_library"),
    "plan": ("Plan", "Settings", "current_settings", "use_settings"),
    "problems": ("Crash", "Deadlock", "Livelock", "Problem", "Refused", "Stuck", "WorldEnded"),
    "running": ("Outcome", "run_world"),
    "decorator": ("WorldFailed", "simulate"),
    "timeline": ("Timeline",),
    "tokens": ("Token", "read_token"),
    "world": ("World",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Channel",
    "Closed",
    "Crash",
    "Deadlock",
    "Event",
    "Finding",
    "Interrupted",
    "Livelock",
    "Outcome",
    "Ownership",
    "Plan",
    "Problem",
    "Refused",
    "Settings",
    "SimulatedLoop",
    "Stuck",
    "Timeline",
    "Token",
    "World",
    "WorldEnded",
    "WorldFailed",
    "current_settings",
    "explore",
    "interrupt",
    "is_library",
    "read_token",
    "replay",
    "run_world",
    "simulate",
    "time_limit",
    "use_settings",
]


def __getattr__(name: str) -> Any:
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
