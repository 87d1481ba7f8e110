"""Only the learner's files are taken from a submission, and only if they are what they seem."""

from __future__ import annotations

import os
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from autograder.grading import tree
from autograder.grading.intake import MOST_BYTES, NoSubmission, Taken, open_source, take

from .conftest import Course

EXERCISE = tree.Exercise("03_async_await", "double")
INSIDE = EXERCISE.file
ANSWER = b"async def double(service, number): ...\n"

posix = pytest.mark.skipif(os.name != "posix", reason="needs links or pipes of POSIX")


def taken(course: Course, typed: Path | str) -> Taken:
    return take(open_source(str(typed), course.root, course.root), course.root, [EXERCISE])


def write(path: Path, content: bytes = ANSWER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def zipped(file: Path, *names: str, mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, ANSWER)
    return file


@pytest.mark.parametrize(
    "place", [f"exercises/{INSIDE}", INSIDE, "double.py", f"wrapped/exercises/{INSIDE}"]
)
def test_an_answer_is_found_however_a_folder_is_laid_out(course: Course, place: str) -> None:
    write(course.root / "theirs" / place)
    found = taken(course, "theirs")
    assert found.files == {INSIDE: ANSWER}
    assert found.places == {INSIDE: place}


def test_one_file_is_a_submission(course: Course) -> None:
    assert taken(course, write(course.root / "theirs" / "double.py")).files == {INSIDE: ANSWER}


@pytest.mark.parametrize("place", [f"exercises/{INSIDE}", f"their-fork-main/exercises/{INSIDE}"])
def test_a_zip_is_read_without_being_unpacked(course: Course, place: str) -> None:
    file = zipped(course.root / "theirs.zip", place)
    assert taken(course, file).files == {INSIDE: ANSWER}


def test_a_commit_is_read_without_being_checked_out(course: Course) -> None:
    git(course, "init", "-q")
    write(course.root / "exercises" / INSIDE)
    git(course, "add", ".")
    git(course, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x")
    course.answer("changed since\n")
    assert taken(course, "HEAD").files == {INSIDE: ANSWER}


def git(course: Course, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=course.root, check=True)


@posix
def test_a_link_is_refused(course: Course) -> None:
    secret = write(course.root / "secret.py")
    place = course.root / "theirs" / INSIDE
    place.parent.mkdir(parents=True)
    place.symlink_to(secret)
    found = taken(course, "theirs")
    assert found.files == {}
    assert "link" in found.refused[INSIDE].why


@posix
def test_a_folder_behind_a_link_is_refused(course: Course) -> None:
    write(course.root / "elsewhere" / "double.py")
    (course.root / "theirs").mkdir()
    (course.root / "theirs" / "03_async_await").symlink_to(course.root / "elsewhere")
    assert "link" in taken(course, "theirs").refused[INSIDE].why


@posix
def test_a_pipe_is_refused_and_nobody_waits_for_it(course: Course) -> None:
    place = course.root / "theirs" / INSIDE
    place.parent.mkdir(parents=True)
    os.mkfifo(place)
    assert "regular file" in taken(course, "theirs").refused[INSIDE].why


def test_a_folder_in_the_place_of_a_file_is_refused(course: Course) -> None:
    write(course.root / "theirs" / INSIDE / "__init__.py")
    assert "regular file" in taken(course, "theirs").refused[INSIDE].why


def test_a_link_in_a_zip_is_refused(course: Course) -> None:
    file = zipped(course.root / "theirs.zip", INSIDE, mode=stat.S_IFLNK | 0o777)
    assert "link" in taken(course, file).refused[INSIDE].why


@pytest.mark.parametrize("name", [f"../{INSIDE}", f"/{INSIDE}", f"exercises/../{INSIDE}"])
def test_a_zip_leads_nowhere_else(course: Course, name: str) -> None:
    file = zipped(course.root / "theirs.zip", name)
    assert "none of the files" in taken(course, file).complaint


def test_a_damaged_zip_is_refused_in_a_sentence(course: Course) -> None:
    file = write(course.root / "theirs.zip", b"PK\x03\x04 and then nothing")
    assert "not a readable zip" in taken(course, file).complaint


def test_a_huge_file_is_refused(course: Course) -> None:
    write(course.root / "theirs" / INSIDE, b"#" * (MOST_BYTES + 1))
    found = taken(course, "theirs")
    assert found.files == {}
    assert f"{MOST_BYTES + 1:,} bytes" in found.refused[INSIDE].why


def test_an_empty_submission_says_what_was_looked_for(course: Course) -> None:
    write(course.root / "theirs" / "README.md")
    assert f"exercises/{INSIDE}" in taken(course, "theirs").complaint


def test_what_is_neither_a_file_nor_a_ref_is_said_so(course: Course) -> None:
    with pytest.raises(NoSubmission, match="nor a git ref"):
        taken(course, "nothing-of-the-kind")


def test_changed_tests_and_settings_are_reported_and_not_taken(course: Course) -> None:
    write(course.root / "theirs" / "exercises" / INSIDE)
    same = (course.root / "exercises/03_async_await/test_double.py").read_bytes()
    write(course.root / "theirs/exercises/03_async_await/test_double.py", same)
    write(course.root / "theirs/exercises/03_async_await/test_more.py")
    write(course.root / "theirs/exercises/conftest.py")
    write(course.root / "theirs/.github/workflows/grade.yml")
    write(course.root / "theirs/notes.md")
    found = taken(course, "theirs")
    assert [*found.files] == [INSIDE]
    assert sorted(one.path for one in found.ignored) == [
        ".github/workflows/grade.yml",
        "exercises/03_async_await/test_more.py",
        "exercises/conftest.py",
    ]


def test_equal_answers_have_equal_digests(course: Course) -> None:
    write(course.root / "one" / INSIDE)
    write(course.root / "two" / "double.py")
    write(course.root / "three" / INSIDE, ANSWER + b"# more\n")
    one, two, three = (taken(course, name).digest for name in ("one", "two", "three"))
    assert one == two != three
