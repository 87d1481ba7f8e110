"""Classic bugs are found in every choice of worlds, and their corrections are never accused.

These are the small numbers; ``python benchmarks/corpus.py`` runs all of them.
"""

from __future__ import annotations

import pytest

from autograder.simulation import Finding, Plan, Settings, explore, replay

from .corpus import CASES, Case

STRIDE = 1_000_003
"""Between two choices of worlds, so that they share none."""
NO_SHRINKING = Settings(budget=0.0)

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def find(case: Case, base: int = 0) -> Finding:
    finding = explore(case.program(good=False), seeds=1000, base=base, **case.options)
    assert finding is not None, f"{case.name} was not found in 1,000 worlds from {base}"
    return finding


@each_case
def test_a_bug_is_found_in_every_choice_of_worlds(case: Case) -> None:
    """1,000 worlds find the bug whichever worlds they are, and name it if it has a name."""
    for base in range(0, 10 * STRIDE, STRIDE):
        finding = explore(
            case.program(good=False), seeds=1000, base=base, settings=NO_SHRINKING, **case.options
        )
        assert finding is not None, f"not found in 1,000 worlds from {base}"
        assert finding.lost is None
        if case.mistake is None:
            assert isinstance(finding.error, AssertionError)
            assert finding.problems == []
        else:
            assert {problem.name for problem in finding.problems} == {case.mistake}


@each_case
def test_the_correct_program_is_never_accused(case: Case) -> None:
    """No world fails the program as it should have been."""
    assert explore(case.program(good=True), seeds=400, **case.options) is None


@each_case
def test_the_token_of_the_shrunk_world_replays_the_bug(case: Case) -> None:
    """What shrinking leaves fails in the same way, with the very same events, from its token."""
    finding = find(case)
    again = replay(case.program(good=False), finding.token, Plan(**case.options))
    assert again is not None
    assert again.events == finding.events
    assert again.problems == finding.problems
    assert repr(again.error) == repr(finding.error)


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.possible], ids=lambda c: c.name
)
def test_a_bug_that_asyncio_makes_impossible_is_left_to_the_advisory_tier(case: Case) -> None:
    """In asyncio's own order the bug does not exist; only shuffled worlds show it, and say so."""
    assert explore(case.program(good=False), seeds=1000) is None
    assert find(case).shuffled
