"""What the grader of the scraper blames on a page, and what on a slip in the learner's code."""

import json

import aiohttp
import pytest

from autograder.course.programs.scraper.checks import comes_from_a_page


class PageError(ValueError):
    """Stands for the one in scraper.py."""


def nested_too_deep() -> RecursionError:
    try:
        json.loads("[" * 100_000)
    except RecursionError as error:
        return error
    raise AssertionError("json has learned to read deep lists")


def calls_itself() -> RecursionError:
    def again() -> None:
        again()

    try:
        again()
    except RecursionError as error:
        return error
    raise AssertionError("unreachable")


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError(),
        TimeoutError(),
        PageError("no product with a price on this page"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ExceptionGroup("two pages", [TimeoutError(), PageError()]),
        nested_too_deep(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_page_causes(error: Exception) -> None:
    assert comes_from_a_page(error, PageError)


@pytest.mark.parametrize(
    "error",
    [
        TypeError("'NoneType' object is not callable"),
        KeyError("shop"),
        ValueError("not enough values to unpack"),
        ExceptionGroup("a page and a slip", [TimeoutError(), NameError("seen")]),
        calls_itself(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_slip_in_the_code_is_no_page(error: Exception) -> None:
    assert not comes_from_a_page(error, PageError)
