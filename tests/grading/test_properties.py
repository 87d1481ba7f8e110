"""Property-based tests that read calmly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from autograder.grading.benches.properties import for_all

NUMBERS = st.lists(st.sampled_from(range(10)), max_size=12)


def no_three_threes(numbers: list[int]) -> None:
    assert numbers.count(3) < 3, f"three threes: {numbers}"


def test_the_smallest_example_is_told_and_nothing_else() -> None:
    with pytest.raises(AssertionError) as raised:
        for_all(no_three_threes, numbers=NUMBERS, examples=500)
    assert str(raised.value).startswith("three threes: [3, 3, 3]")
    assert not raised.value.__notes__


def test_the_examples_are_the_same_each_time() -> None:
    def seen() -> list[list[int]]:
        found: list[list[int]] = []
        for_all(lambda numbers: found.append(numbers), numbers=NUMBERS)
        return found

    first = seen()
    assert len(first) > 100
    assert first == seen()


def test_an_error_of_the_code_under_test_goes_through() -> None:
    def fails(numbers: list[int]) -> None:
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        for_all(fails, numbers=NUMBERS)


def test_a_check_that_fails_only_now_and_then_still_fails() -> None:
    calls = []

    def unsteady(numbers: list[int]) -> None:
        calls.append(numbers)
        assert len(calls) != 20, "the twentieth call"

    with pytest.raises(AssertionError, match="the twentieth call"):
        for_all(unsteady, numbers=NUMBERS)


def test_nothing_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for_all(lambda numbers: None, numbers=NUMBERS)
    assert list(tmp_path.iterdir()) == []
