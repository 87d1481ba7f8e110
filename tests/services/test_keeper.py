"""A server runs as long as somebody holds it, and leaves nothing behind, whatever ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.services import leases, looking
from autograder.services.leases import Control, Lease
from autograder.services.model import Plan, Step

from .fakes import answers, eventually, is_alive, plan
from .processes import at_work_below, parent

ROOT = Path(__file__).resolve().parents[2]


class Fake:
    """A fake server that was started, and what it left."""

    def __init__(self, folder: Path, *how: str) -> None:
        self.port = looking.free_port()
        self.where = f"127.0.0.1:{self.port}"
        self.folder = folder / "scratch"
        self.plan = plan(*how)(self.port, self.folder)

    def start(self, record: Path | None = None) -> Lease:
        self.lease = leases.start(self.plan, record)
        return self.lease

    def until_it_answers(self) -> Lease:
        lease = self.start()
        eventually(lambda: answers(self.where))
        return lease

    def is_gone(self) -> bool:
        return not answers(self.where) and not self.folder.exists()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    it = Fake(tmp_path)
    yield it
    leases.stop(it.lease.control)


def test_it_ends_when_it_is_released(fake: Fake) -> None:
    """When `release` returns, the server and its scratch folder are gone."""
    lease = fake.until_it_answers()
    assert fake.folder.is_dir()
    lease.release()
    assert fake.is_gone()


def test_it_runs_until_the_last_one_lets_go(fake: Fake) -> None:
    """Of two who hold a server, the second ends it."""
    first = fake.until_it_answers()
    second = leases.lease(first.control)
    assert second is not None
    first.release()
    assert answers(fake.where)
    second.release()
    assert fake.is_gone()


def test_it_outlives_its_holder_when_it_is_told_to_stay(fake: Fake) -> None:
    """One that stays ends when it is told to stop."""
    lease = fake.until_it_answers()
    lease.stay()
    lease.release()
    assert answers(fake.where)
    assert leases.stop(lease.control)
    assert fake.is_gone()
    assert not leases.stop(lease.control)


def test_nobody_without_the_word_is_heard(fake: Fake) -> None:
    """A stranger on this machine cannot stop a server, nor hold it."""
    lease = fake.until_it_answers()
    stranger = Control(lease.control.port, "guessed")
    assert not leases.stop(stranger)
    assert leases.lease(stranger) is None
    assert answers(fake.where)


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """A server that ignores the polite request is gone all the same."""
    fake = Fake(tmp_path, "stubborn")
    fake.until_it_answers().release()
    assert fake.is_gone()


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_its_children_end_with_it(tmp_path: Path) -> None:
    """What a server has started itself is gone too."""
    note = tmp_path / "pid"
    fake = Fake(tmp_path, "child", str(note))
    lease = fake.until_it_answers()
    child = int(note.read_text())
    assert is_alive(child)
    lease.release()
    eventually(lambda: not is_alive(child))


def test_the_end_of_a_server_is_told_with_its_log(tmp_path: Path) -> None:
    """Who waits for a server hears that it has ended, how, and what it said."""
    fake = Fake(tmp_path, "crash")
    why = fake.start().ended(patience=60)
    assert why is not None
    assert "ended with exit status 3" in why
    assert "no more electrons" in why
    eventually(fake.is_gone)


def test_a_program_that_is_not_there_is_told(fake: Fake) -> None:
    """So is one that cannot even be started."""
    fake.plan = Plan([Step(["/no/such/program"])], str(fake.folder))
    why = fake.start().ended(patience=60)
    assert why is not None
    assert "/no/such/program could not be started: " in why


def test_a_keeper_that_fails_says_so(fake: Fake) -> None:
    """As when the scratch folder cannot be made."""
    fake.plan = replace(fake.plan, folder=str(fake.folder / "below" / "nothing"))
    why = fake.start().ended(patience=60)
    assert why is not None
    assert why.startswith("its keeper failed: ")


def test_programs_run_in_order(fake: Fake) -> None:
    """One that prepares is waited for; one that fails ends it all."""
    prepare = Step([sys.executable, "-c", "open('prepared', 'w')"], stays=False)
    fake.plan = replace(fake.plan, steps=[prepare, *fake.plan.steps], files={"given/a": "b"})
    fake.until_it_answers()
    assert (fake.folder / "prepared").is_file()
    assert (fake.folder / "given" / "a").read_text() == "b"


def test_a_failed_preparation_is_told(fake: Fake) -> None:
    """The server is not started after it."""
    fail = Step([sys.executable, "-c", "raise SystemExit('cannot prepare')"], stays=False)
    fake.plan = replace(fake.plan, steps=[fail, *fake.plan.steps])
    why = fake.start().ended(patience=60)
    assert why is not None
    assert "cannot prepare" in why
    eventually(fake.is_gone)


def test_the_record_goes_first(fake: Fake, tmp_path: Path) -> None:
    """What is written about a server is removed when it ends, unless it is about another one."""
    record = tmp_path / "record.json"
    lease = fake.start(record)
    record.write_text(f'{{"token": "{lease.control.token}"}}')
    lease.release()
    assert not record.exists()
    again = fake.start(record)
    record.write_text('{"token": "of another"}')
    again.release()
    assert record.exists()


HOLDER = """
import signal, sys
from pathlib import Path
for name in ("SIGINT", "SIGHUP"):  # whoever started these tests may have them ignored
    signal.signal(signal.Signals[name], signal.SIG_DFL)
from tests.services.fakes import plan
from autograder.services import leases
lease = leases.start(plan("child", sys.argv[3])(int(sys.argv[1]), Path(sys.argv[2])))
print(lease.control.port, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM", "SIGHUP"])
def test_it_ends_when_its_holder_is_killed(tmp_path: Path, name: str) -> None:
    """However the process ends that holds a server, server, children and folder are gone."""
    fake, note = Fake(tmp_path), tmp_path / "pid"
    argv = [sys.executable, "-c", HOLDER, str(fake.port), str(fake.folder), str(note)]
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as holder:
        eventually(lambda: answers(fake.where))
        holder.send_signal(signal.Signals[name])
        holder.wait(timeout=60)
    eventually(fake.is_gone)
    eventually(lambda: not is_alive(int(note.read_text())))


STARTER = """
import sys, tempfile
from tests.services.fakes import fake, way
from autograder.services import requiring
tempfile.tempdir = sys.argv[1]
requiring.start(fake(way("the wheel", "deaf")))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    """What has not answered yet is stopped too."""
    argv = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE) as starter:
        eventually(lambda: any(tmp_path.glob("course-fake-*/log")))
        starter.send_signal(signal.SIGINT)
        _, said = starter.communicate(timeout=180)
    assert b"KeyboardInterrupt" in said
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
def test_it_ends_when_its_keeper_is_killed(fake: Fake) -> None:
    """Even then the server does not outlive it."""
    lease = fake.until_it_answers()
    [server] = at_work_below(fake.folder)
    os.kill(parent(server), signal.SIGKILL)
    assert lease.ended(patience=60) == "its keeper was killed."
    eventually(lambda: not answers(fake.where))
