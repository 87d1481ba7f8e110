"""An in-memory TCP network on a world's virtual clock.

Bytes arrive in order and late, windows fill up, links have a bandwidth, connections are refused,
reset or half-open, hosts stall and vanish, the way between them breaks and is mended.
asyncio's streams and transports, and the libraries built on them, run on it unmodified.
"""

from __future__ import annotations

from .core import Network
from .hosts import Host, Link

__all__ = ["Host", "Link", "Network"]
