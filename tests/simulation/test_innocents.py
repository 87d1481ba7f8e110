"""Nobody innocent is accused."""

from __future__ import annotations

import pytest

from autograder.simulation import explore
from autograder.simulation.running import Program

from . import innocent_waits, innocents

INNOCENTS = [*innocents.INNOCENTS, *innocent_waits.INNOCENTS]


@pytest.mark.parametrize("program", INNOCENTS, ids=lambda program: program.__name__)
def test_no_detector_accuses_an_innocent(program: Program) -> None:
    """The program passes in every world."""
    assert explore(program, seeds=10) is None
