"""Which world? A seed, and what was changed in it; written as a short replay token."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"(?P<shuffle>s?)(?P<seed>\d+)(?:@(?P<at>\d+))?(?:-(?P<kept>x|(?:[0-9a-f]{2})+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One world, written like ``7``, ``7-c4`` or ``s7@3-c41f``.

    Attributes:
        seed: the world's seed.
        kept: the buckets of draws that are kept while all others are calm; None keeps all.
        interruption: the await at which a coroutine is interrupted, from 1; 0 for none.
        shuffled: True for the advisory tier.
    """

    seed: int
    kept: frozenset[int] | None = None
    interruption: int = 0
    shuffled: bool = False

    def __str__(self) -> str:
        text = f"{'s' if self.shuffled else ''}{self.seed}"
        if self.interruption:
            text += f"@{self.interruption}"
        if self.kept is not None:
            text += f"-{bytes(sorted(self.kept)).hex() or 'x'}"
        return text


def read_token(text: str) -> Token:
    """The token that was written so; ValueError for anything else."""
    found = _TOKEN.fullmatch(text.strip())
    if not found:
        raise ValueError(
            f"{text!r} is no replay token: it looks like 7 or 7-c4, as the failure printed it"
        )
    kept = None
    if found["kept"] is not None:
        kept = frozenset(bytes.fromhex("" if found["kept"] == "x" else found["kept"]))
    return Token(int(found["seed"]), kept, int(found["at"] or 0), bool(found["shuffle"]))
