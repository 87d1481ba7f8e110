"""Where connections are to be cut: before a command takes effect, or after, before its reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

When = Literal["before", "after"]
Condition = Callable[[list[str]], bool]
"""Asked with the words of a command, its name first."""


@dataclass(eq=False, slots=True)
class Cut:
    """A cut that is to happen.

    Attributes:
        when: "before": the command is lost with its connection; "after": it takes effect, and the
            reply is lost.
        command: its name in capitals, with a subcommand behind a space: "XGROUP CREATE".
        nth: the first, the second, ... that fits; None for a draw at each, by ``chance``.
        client: only of this client name or host.
        where: only if this is true of its words.
        silently: the client is not told: its connection is half-open.
        seen: how many fitted so far; happened: how often it has cut.
    """

    when: When
    command: str
    nth: int | None
    chance: float | None
    client: str | None
    where: Condition | None
    silently: bool
    seen: int = 0
    happened: int = 0

    def fits(self, words: list[str], clients: tuple[str, ...]) -> bool:
        """True if it is about this command of a client that goes by these names."""
        name = self.command.split(" ")
        if [word.upper() for word in words[: len(name)]] != name:
            return False
        if self.client is not None and self.client not in clients:
            return False
        return self.where is None or self.where(words)


class Faults:
    """The cuts of one server. ``draw`` answers whether something of a chance happens, by a key."""

    def __init__(self, draw: Callable[[float, str], bool]) -> None:
        self.cuts: list[Cut] = []
        self._draw = draw

    def strikes(self, words: list[bytes], clients: tuple[str, ...]) -> Cut | None:
        """The cut that strikes a command, if one does."""
        if not self.cuts:
            return None
        shown = [word.decode("utf-8", "replace") for word in words]
        struck = None
        for cut in self.cuts:
            if not cut.fits(shown, clients):
                continue
            cut.seen += 1
            if struck is None and self._falls(cut):
                cut.happened += 1
                struck = cut
        return struck

    def _falls(self, cut: Cut) -> bool:
        if cut.chance is not None:
            return self._draw(cut.chance, f"cut {cut.when} {cut.command}")
        return cut.seen == cut.nth
