"""What each shop is doing at this moment, for a terminal. In a pipe it shows nothing."""

import time
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from autograder.course.programs.scraper.shops import Visit

ROOM_FOR_NOTES = 110
"""Columns of a terminal from which on there is room for what is special about a shop."""


@dataclass
class _Row:
    """A shop's line: what it is, what it is doing, and since when."""

    note: str
    text: str = ""
    answers: int = 0
    trouble: int = 0
    done: bool = False
    last: float = field(default_factory=time.monotonic)


class Display:
    """A table that follows the scrape. Told by the scraper's `watch`, and by the local shops."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._rows: dict[str, _Row] = {}
        self._started = time.monotonic()
        self._live: Live | None = None
        self._spinner = Spinner("dots")

    def expect(self, names: list[str], notes: dict[str, str]) -> None:
        """Say which shops there will be, in which order."""
        self._rows = {name: _Row(notes.get(name, "")) for name in names}

    def tell(self, shop: str, text: str) -> None:
        """The scraper says what it is doing for a shop; "done" is its last word."""
        if row := self._rows.get(shop):
            row.done = text == "done"
            row.text = "" if row.done else str(text)
            row.last = time.monotonic()

    def visited(self, shop: str, visit: Visit) -> None:
        """A local shop has answered a request."""
        if row := self._rows.get(shop):
            row.answers += 1
            row.trouble += visit.status != 200
            row.last = time.monotonic()

    def __enter__(self) -> "Display":
        self._started = time.monotonic()
        if self._console.is_terminal:
            self._live = Live(
                console=self._console,
                get_renderable=self._table,
                refresh_per_second=12,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _table(self) -> Table:
        now = time.monotonic()
        table = Table(
            title=f"{self._title}, {now - self._started:.1f} s",
            box=None,
            title_justify="left",
            pad_edge=False,
        )
        table.add_column("", width=1)
        table.add_column("shop", no_wrap=True)
        table.add_column("answers", justify="right")
        table.add_column("time", justify="right", min_width=6)
        table.add_column("now", no_wrap=True, min_width=24)
        if roomy := self._console.width >= ROOM_FOR_NOTES:
            table.add_column("", style="dim", no_wrap=True)
        for name, row in self._rows.items():
            until = row.last if row.done else now
            answers = Text(str(row.answers) if row.answers else "")
            if row.trouble:
                answers.append(f" ({row.trouble} bad)", style="yellow")
            sign = Text("✓", style="green") if row.done else self._spinner
            cells = [sign, name, answers, f"{until - self._started:.1f} s", row.text]
            table.add_row(*cells, *([row.note] if roomy else []))
        return table
