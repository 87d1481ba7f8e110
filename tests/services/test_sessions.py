"""A server that a pytest session starts ends with the session, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autograder.services.catalogue import SERVERS
from autograder.services.model import Server

from .fakes import answers, eventually
from .processes import PROC, at_work_below

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = f"""
import signal, sys
if hasattr(signal, "SIGHUP"):  # whoever started these tests may have it ignored
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.path.insert(0, {str(ROOT)!r})
from autograder.services import catalogue
from tests.services.fakes import fake, way
catalogue.SERVERS["fake"] = fake(way())
"""
WAITS = """
import sys
from pathlib import Path

def test_it(live_servers):
    Path("note").write_text(live_servers.get("{name}").address)
    sys.__stdin__.read()
"""
ENDS = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("turn", range(3))
def test_it(live_servers, turn):
    with Path("note").open("a") as note:
        print(live_servers.get("fake").address, file=note)
    {more}
"""
MEETS = """
import sys
from pathlib import Path
from tests.services.fakes import eventually

def test_it(live_servers, worker_id):
    Path("note-" + worker_id).write_text(live_servers.get("fake").address)
    eventually(lambda: len(list(Path().glob("note-*"))) == 2)
"""


@contextmanager
def session(
    folder: Path, test: str, *options: str, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """pytest at work in a folder, on one file of tests, in a process group of its own."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(test)
    argv = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *options]
    with subprocess.Popen(
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as running:
        try:
            yield running
        finally:
            with contextlib.suppress(OSError):
                running.kill()


def noted(folder: Path) -> str:
    """The address that the test has written down, once it has."""
    note = folder / "note"
    eventually(lambda: note.exists() and note.read_text() != "", patience=180)
    return note.read_text()


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_it_ends_when_pytest_is_killed(tmp_path: Path, name: str) -> None:
    """Nobody is left to stop it, and it is stopped."""
    with session(tmp_path, WAITS.format(name="fake")) as running:
        address = noted(tmp_path)
        assert answers(address)
        running.send_signal(signal.Signals[name])
        running.wait(timeout=60)
    eventually(lambda: not answers(address))


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_it_is_gone_after_ctrl_c(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group, and when the prompt is back the server is gone."""
    with session(tmp_path, WAITS.format(name="fake")) as running:
        address = noted(tmp_path)
        os.killpg(running.pid, signal.SIGINT)
        output, _ = running.communicate(timeout=180)
        assert b"KeyboardInterrupt" in output
        assert not answers(address)


@pytest.mark.parametrize("more", ["pass", "raise SystemExit(3)", "assert not turn"])
def test_it_is_gone_after_the_session(tmp_path: Path, more: str) -> None:
    """Tests that pass, exit and fail: all of them had the same server, and it is gone."""
    with session(tmp_path, ENDS.format(more=more)) as running:
        running.communicate(timeout=180)
        [address] = set((tmp_path / "note").read_text().split())
        assert not answers(address)


def test_the_workers_of_a_session_share_it(tmp_path: Path) -> None:
    """Two processes of pytest-xdist have one server between them."""
    pytest.importorskip("xdist")
    with session(tmp_path, MEETS, "--tx", "2*popen", "--dist", "each") as running:
        output, _ = running.communicate(timeout=180)
        assert b"2 passed" in output
    first, second = [note.read_text() for note in tmp_path.glob("note-*")]
    assert first == second
    assert not answers(first)


ALONE = """
from dataclasses import replace
from autograder.services import catalogue, looking
it = catalogue.SERVERS[{name!r}]
catalogue.SERVERS[{name!r}] = replace(it, port=looking.free_port(), variable="NO_SUCH_VARIABLE")
"""


@pytest.mark.live
@pytest.mark.skipif(not PROC.exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("server", SERVERS.values(), ids=list(SERVERS))
def test_a_real_one_ends_when_pytest_is_killed(
    startable: Server, tmp_path: Path, public_folder: Path
) -> None:
    """No process and no file of a real server is left, whatever programs it consists of."""
    for name in ("exercises", "lessons"):
        (tmp_path / name).mkdir()  # a course in which nothing was started
    test = ALONE.format(name=startable.name) + WAITS.format(name=startable.name)
    environment = {**os.environ, "TMPDIR": str(public_folder), "COURSE_ROOT": str(tmp_path)}
    with session(tmp_path, test, environment=environment) as running:
        startable.ping(noted(tmp_path))
        assert at_work_below(public_folder)
        running.kill()
    eventually(lambda: not at_work_below(public_folder))
    eventually(lambda: not list(public_folder.glob("course-*")))


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """One that a server can use which does not run as us."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder
