"""Draws: the only source of chance in a world.

A draw is a pure function of the world's seed, a key and how often that key was drawn before.
Keys name a link, a message or a fault, never a step: a world stays the same when another
Python version takes other steps between two draws.

Every draw also falls into one of 256 buckets. A world can be told to keep the draws of some
buckets only, and to answer 0.0 (calm: the least latency, no fault) to all others. Shrinking
is a search for few buckets, and a token is a seed with the buckets it keeps.
"""

from __future__ import annotations

import random
from zlib import crc32

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_UNIT = 2.0**-53


class Dice:
    """The draws of one world. ``seed`` 0 is the calm world: every draw is 0.0."""

    __slots__ = ("_salt", "_states", "kept", "seed", "used")

    def __init__(self, seed: int, kept: frozenset[int] | None = None) -> None:
        self.seed = seed
        self.kept = kept
        self.used: set[int] = set()
        self._salt = (seed * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) & _MASK
        self._states: dict[str, int] = {}

    def draw(self, key: str) -> float:
        """The next number in [0, 1) for this key; 0.0 where the world is calm."""
        if not self.seed:
            return 0.0
        state = self._states.get(key)
        if state is None:
            state = self._salt ^ (crc32(key.encode()) * 0x100000001B3)
        self._states[key] = state = (state + _GOLDEN) & _MASK
        # The finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        mixed ^= mixed >> 31
        bucket = mixed & 0xFF
        if self.kept is not None and bucket not in self.kept:
            return 0.0
        self.used.add(bucket)
        return (mixed >> 11) * _UNIT

    def randomness(self) -> random.Random:
        """A generator for ``random``, ``os.urandom`` and ``uuid`` inside the world."""
        return random.Random(self.seed)


def heavy_tailed(u: float, low: float, high: float) -> float:
    """A latency in seconds from a draw: mostly near ``low``, now and then near ``high``.

    Uniform latencies rarely put one message far behind another and so miss most races.
    """
    return low + (high - low) * u * u * u * u
