"""Numbers are said as people say them."""

import pytest

from autograder.grading import wording


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("receive was called 1 times in ten minutes", "receive was called once in ten minutes"),
        ("of 5 messages, 1 messages were lost", "of 5 messages, 1 message was lost"),
        ("1 entries are left, after 1 retries", "1 entry is left, after 1 retry"),
        ("the relay has 1 connections.", "the relay has 1 connection."),
        ("11 times, 2.1 times, 3,001 messages were", "11 times, 2.1 times, 3,001 messages were"),
        ("size=1, and there were 3 connections", "size=1, and there were 3 connections"),
        ("line 1 and one more", "line 1 and one more"),
    ],
)
def test_one_is_not_said_as_many(written: str, said: str) -> None:
    assert wording.one(written) == said
