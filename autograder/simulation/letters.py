"""Messages between named participants, and what happened at them: what a sequence diagram shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .sequence import SequenceDiagram
    from .world import World

_MOST_STEPS = 2_000
"""Of a long world the beginning is kept: there its messages are few enough to be followed."""

StepKind = Literal["send", "arrive", "lose", "happen"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that befell a message, or a participant.

    Attributes:
        time: virtual seconds since the world began.
        kind: of a message, "send", "arrive" or "lose"; "happen" of a participant.
        number: of the message, from 1; 0 for what happens.
        sender: of the message, or the participant; receiver: "" for what happens.
        text: what the message says, or what happens.
    """

    time: float
    kind: StepKind
    number: int
    sender: str
    receiver: str
    text: str


class Letters:
    """All messages of one world. Kept only if somebody will read them: ``world.tracing``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._steps: list[Step] = []
        self._count = 0

    def send(self, sender: str, receiver: str, text: str) -> Letter:
        """See `World.letter`."""
        self._count += 1
        letter = Letter(self, self._count, sender, receiver, text)
        self.add("send", letter)
        return letter

    def happen(self, participant: str, text: str) -> None:
        """See `World.happens`."""
        self.add("happen", Letter(self, 0, participant, "", text))

    def add(self, kind: StepKind, of: Letter) -> None:
        """Write down one step, if anybody reads on."""
        world = self._world
        if world.tracing and len(self._steps) < _MOST_STEPS:
            step = Step(world.time(), kind, of.number, of.sender, of.receiver, of.text)
            self._steps.append(step)

    def diagram(self) -> SequenceDiagram | None:
        """What was written down so far; None if it is nothing."""
        if not self._steps:
            return None
        from .sequence import SequenceDiagram

        return SequenceDiagram(self._steps)


@dataclass(slots=True)
class Letter:
    """A message on its way."""

    _letters: Letters
    number: int
    sender: str
    receiver: str
    text: str

    def arrived(self) -> None:
        """It is at the receiver now; once more if it comes twice."""
        self._letters.add("arrive", self)

    def lost(self) -> None:
        """It will not arrive."""
        self._letters.add("lose", self)
