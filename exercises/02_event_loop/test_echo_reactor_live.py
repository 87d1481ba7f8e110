"""Grades echo_reactor.py: your own loop runs your own server."""

import inspect
from pathlib import Path

import pytest

from autograder.course.programs.echo.crowd import serve
from autograder.course.programs.echo.program import load
from autograder.grading.benches.descriptors import room_for


@pytest.mark.live
def test_your_own_loop_serves_a_crowd(submission):
    """Your mini_loop runs your echo server for a thousand connections at once."""
    beside = Path(inspect.getfile(submission.EchoServer)).with_name("mini_loop.py")
    try:
        outcome = serve(load(beside), submission, room_for(1_000, each=2), messages=5)
    except NotImplementedError:
        pytest.skip("mini_loop.py is not begun; with it, this test runs your server")
    assert outcome.connected >= 200, f"only {outcome.connected} connections"
    assert outcome.all_well, outcome.says()
