"""A newer version of the course comes in, and no answer changes by a byte."""

from pathlib import Path

import pytest

from autograder.course.refusal import Refusal
from autograder.course.updating import fetch, update

from .conftest import Course, commit_all, git

MINE = b"def later() -> int:\n    return 3  # mine\n"
STUB = "exercises/01_callbacks/later.py"
OTHER = "exercises/01_callbacks/emitter.py"


@pytest.fixture
def origin(root: Path) -> Path:
    """The course's repository; `clone` is cloned from it."""
    git(root, "init", "--quiet", "--initial-branch=main")
    commit_all(root, "The course")
    return root


@pytest.fixture
def clone(origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's clone; it is the current folder."""
    folder = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    monkeypatch.chdir(folder)
    return folder


def new_version(origin: Path) -> None:
    """The course changes a stub and a lesson, removes a grader and adds an exercise."""
    stub = origin / STUB
    stub.write_bytes(stub.read_bytes().replace(b"Rules", b"Rules, better"))
    (origin / "lessons/01_callbacks.md").write_bytes(b"# callbacks, again\n")
    (origin / "exercises/03_async_await/test_scraper_parsing.py").unlink()
    (origin / "exercises/03_async_await/first.py").write_bytes(b"def f():\n    return 1\n")
    (origin / "exercises/03_async_await/test_first.py").write_bytes(b"")
    commit_all(origin, "A newer version")


def test_a_clone_without_changes_moves_forward(course: Course, origin: Path, clone: Path) -> None:
    """There is no merge commit, and the new exercise is named."""
    new_version(origin)
    status, output = course("update")
    assert status == 0, output
    assert "New exercises: 03 first." in output
    assert git(clone, "rev-parse", "HEAD") == git(origin, "rev-parse", "HEAD")
    assert git(clone, "status", "--porcelain") == ""
    assert "Nothing changed" in course("update")[1]


def test_an_answer_that_was_not_committed_stays(course: Course, origin: Path, clone: Path) -> None:
    """The course's new stub is laid beside it."""
    (clone / STUB).write_bytes(MINE)
    new_version(origin)
    status, output = course("update")
    assert status == 0, output
    assert f"Yours, kept as it is: {STUB}" in output
    assert (clone / STUB).read_bytes() == MINE
    assert (clone / f"{STUB}.new").read_bytes() == (origin / STUB).read_bytes()
    assert git(clone, "rev-parse", "HEAD") == git(origin, "rev-parse", "HEAD")


def test_an_answer_that_was_committed_stays(course: Course, origin: Path, clone: Path) -> None:
    """A merge commit joins both sides; the next update does not ask again."""
    (clone / STUB).write_bytes(MINE)
    commit_all(clone, "My answer")
    new_version(origin)
    status, output = course("update")
    assert status == 0, output
    assert (clone / STUB).read_bytes() == MINE
    assert (clone / f"{STUB}.new").read_bytes() == (origin / STUB).read_bytes()
    assert git(clone, "status", "--porcelain") == ""
    assert len(git(clone, "rev-list", "--parents", "-1", "HEAD").split()) == 3
    assert git(clone, "diff", "--name-only", "origin/HEAD") == STUB
    assert "Nothing changed" in course("update")[1]


def test_an_answer_committed_and_then_edited_stays(
    course: Course, origin: Path, clone: Path
) -> None:
    """Both the commit and what came after it are kept."""
    (clone / STUB).write_bytes(b"x = 1\n")
    (clone / OTHER).write_bytes(b"y = 1\n")
    commit_all(clone, "My answers")
    (clone / STUB).write_bytes(MINE)
    git(clone, "add", STUB)
    (clone / OTHER).write_bytes(b"y = 2\n")
    new_version(origin)
    assert course("update")[0] == 0
    assert (clone / STUB).read_bytes() == MINE
    assert (clone / OTHER).read_bytes() == b"y = 2\n"
    assert git(clone, "show", f"HEAD:{STUB}") == "x = 1"
    assert not (clone / f"{OTHER}.new").exists()


def test_files_that_only_the_learner_touched_are_left_alone(
    course: Course, origin: Path, clone: Path
) -> None:
    """Changed, added and deleted files stay so, as git status shows before and after."""
    (clone / OTHER).write_bytes(b"y = 2\n")
    (clone / "notes.txt").write_bytes(b"mine\n")
    (clone / "pyproject.toml").unlink()
    before = git(clone, "status", "--porcelain")
    new_version(origin)
    assert course("update")[0] == 0
    assert git(clone, "status", "--porcelain") == before


def test_a_file_of_the_same_name_as_a_new_one_stays(
    course: Course, origin: Path, clone: Path
) -> None:
    """An untracked file is not written over, even if git ignores it."""
    mine = clone / "exercises/03_async_await/first.py"
    mine.write_bytes(MINE)
    (clone / ".git/info/exclude").write_bytes(b"first.py\n")
    new_version(origin)
    assert course("update")[0] == 0
    assert mine.read_bytes() == MINE
    assert mine.with_name("first.py.new").read_bytes().startswith(b"def f()")


def test_a_changed_file_that_the_course_removed_stays(
    course: Course, origin: Path, clone: Path
) -> None:
    """It says that the course has it no longer."""
    mine = clone / "exercises/03_async_await/test_scraper_parsing.py"
    mine.write_bytes(MINE)
    new_version(origin)
    output = course("update")[1]
    assert "Yours, kept, though the course has it no longer" in output
    assert mine.read_bytes() == MINE


def test_a_deleted_stub_comes_back_in_its_new_version(
    course: Course, origin: Path, clone: Path
) -> None:
    """There was nothing to lose."""
    (clone / STUB).unlink()
    new_version(origin)
    assert course("update")[0] == 0
    assert (clone / STUB).read_bytes() == (origin / STUB).read_bytes()


def test_the_same_change_on_both_sides_is_no_conflict(
    course: Course, origin: Path, clone: Path
) -> None:
    """Nothing is laid beside a file that is the newest already."""
    new_version(origin)
    (clone / STUB).write_bytes((origin / STUB).read_bytes())
    assert "kept" not in course("update")[1]
    assert git(clone, "status", "--porcelain") == ""


def test_a_repository_made_from_a_template_is_updated_too(
    course: Course, origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shares no commit with the course; its first one is taken for the version it began with."""
    folder = tmp_path / "template"
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    git(folder, "checkout", "--quiet", "--orphan", "mine")
    git(folder, "commit", "--quiet", "--message", "Initial commit")
    (folder / OTHER).write_bytes(MINE)
    commit_all(folder, "My answer")
    monkeypatch.chdir(folder)
    new_version(origin)
    assert course("update", "--from", str(origin))[0] == 0
    assert git(folder, "diff", "--name-only", git(origin, "rev-parse", "HEAD")) == OTHER
    assert (folder / OTHER).read_bytes() == MINE
    assert (folder / STUB).read_bytes() == (origin / STUB).read_bytes()


def test_upstream_is_preferred_to_a_fork(
    course: Course, origin: Path, clone: Path, tmp_path: Path
) -> None:
    """In a fork, origin is the learner's own and upstream is the course."""
    git(tmp_path, "clone", "--quiet", "--bare", str(origin), "fork.git")
    git(clone, "remote", "rename", "origin", "upstream")
    git(clone, "remote", "add", "origin", str(tmp_path / "fork.git"))
    new_version(origin)
    assert course("update")[0] == 0
    assert (clone / STUB).read_bytes() == (origin / STUB).read_bytes()


def test_a_failure_of_git_leaves_everything_as_it_was(origin: Path, clone: Path) -> None:
    """The learner's files are put back, and the branch has not moved."""
    (clone / STUB).write_bytes(MINE)
    new_version(origin)
    (clone / ".git/index.lock").write_bytes(b"")
    head = git(clone, "rev-parse", "HEAD")
    with pytest.raises(Refusal, match="Nothing was updated"):
        update(clone, fetch(clone, "origin"))
    assert (clone / STUB).read_bytes() == MINE
    assert git(clone, "rev-parse", "HEAD") == head


def test_nobody_needs_to_have_told_git_their_name(
    course: Course, origin: Path, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merge commit is signed by the command then."""
    (clone / OTHER).write_bytes(MINE)
    commit_all(clone, "My answer")
    new_version(origin)
    git(clone, "config", "user.useConfigOnly", "true")
    for name in ("GIT_COMMITTER_NAME", "GIT_AUTHOR_NAME", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    assert course("update")[0] == 0
    assert git(clone, "log", "-1", "--format=%an") == "course update"


def test_reset_after_an_update_gives_the_new_stub(
    course: Course, origin: Path, clone: Path
) -> None:
    """The history knows the course's newest stub although the merge kept the answer."""
    (clone / STUB).write_bytes(MINE)
    commit_all(clone, "My answer")
    new_version(origin)
    course("update")
    course("reset", "later")
    assert b"Rules, better" in (clone / STUB).read_bytes()


@pytest.mark.parametrize(
    ("commands", "sentence"),
    [
        ([("remote", "remove", "origin")], "no remote to update from"),
        ([("checkout", "--detach")], "You are not on a branch"),
        ([("remote", "set-url", "origin", "/no/such/course")], "origin could not be fetched"),
    ],
)
def test_what_is_in_the_way_is_said_in_one_sentence(
    course: Course, clone: Path, commands: list[tuple[str, ...]], sentence: str
) -> None:
    """Exit status 2, and nothing has changed."""
    for command in commands:
        git(clone, *command)
    status, output = course("update")
    assert status == 2
    assert sentence in output
    assert output.count("\n") == 1


def test_a_merge_under_way_is_left_to_its_owner(course: Course, clone: Path) -> None:
    """Somebody who is in the middle of a merge finishes it first."""
    (clone / ".git/MERGE_HEAD").write_text(git(clone, "rev-parse", "HEAD") + "\n", "utf-8")
    assert "under way" in course("update")[1]


def test_half_staged_work_is_not_put_at_risk(course: Course, clone: Path) -> None:
    """A file that is staged in one state and edited to another has two states to keep."""
    (clone / OTHER).write_bytes(b"y = 1\n")
    git(clone, "add", OTHER)
    (clone / OTHER).write_bytes(b"y = 2\n")
    assert "is staged in one state" in course("update")[1]


def test_without_git_it_says_so(
    course: Course, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one thing that an update cannot do without."""
    monkeypatch.setenv("PATH", "")
    status, output = course("update")
    assert status == 2
    assert "needs git, which is not installed" in output
