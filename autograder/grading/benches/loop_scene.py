"""What the graders of mini_loop.py share: a loop with a clock that costs no time, and a diary."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from typing import Any

from .. import mistake
from .fake_selector import FakeSelector, GaveUp

NO_ORDER = re.compile(r"not supported between instances of '(?!NoneType)(\w+)' and '\1'")


class Scene:
    """A loop under study, and a diary of what it called when."""

    def __init__(self, submission: Any, *, early: float = 0.0, now: float = 0.0) -> None:
        self.selector = FakeSelector(early)
        self.selector.now = now
        self.reported: list[Exception] = []
        self.loop = submission.MiniLoop(self.selector, self.selector.clock, self.reported.append)
        self.calls: list[tuple[str, float]] = []

    @property
    def names(self) -> list[str]:
        """What was called, without the times."""
        return [name for name, _ in self.calls]

    def note(self, name: str, *then: Callable[[], object]) -> Callable[..., None]:
        """A callback that notes its name and the time, and then does ``then``."""

        def callback(*args: Any) -> None:
            self.calls.append((name, self.selector.now))
            for act in then:
                act()

        return callback

    def work(self, seconds: float) -> None:
        """Something that takes its time: the clock moves on."""
        self.selector.now += seconds

    def run(self, *, expected: Collection[Exception | None] = ()) -> None:
        """Run the loop; what it reports has to be among ``expected``."""
        try:
            self.loop.run()
        except GaveUp as reason:
            raise AssertionError(f"run does not come to an end: {reason}") from None
        except TypeError as error:
            if NO_ORDER.search(str(error)):
                raise AssertionError(no_order(error)) from None
            raise
        surprises = [error for error in self.reported if error not in expected]
        if surprises:
            raise AssertionError(f"the loop reported {surprises[0]!r}, and no callback raised that")


def no_order(error: TypeError) -> str:
    """The message for a heap that compared callbacks."""
    return mistake(
        "heap-compares-callbacks",
        f"The loop compared two entries by something that has no order: {error}.",
    )


def forbid_sleep(replace: Callable[[Any, str, Any], object]) -> None:
    """Have time.sleep say what it does to a loop."""

    def sleep(seconds: float) -> None:
        raise GaveUp(
            f"the loop called time.sleep({seconds}). While it sleeps no socket can wake it: "
            "it is to wait in selector.select(timeout)"
        )

    replace(time, "sleep", sleep)
