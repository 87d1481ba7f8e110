"""The tree as a syllabus, and what people type to mean a part of it."""

from pathlib import Path

import pytest

from autograder.course.choose import choose, choose_one
from autograder.course.refusal import Refusal
from autograder.course.root import find_root
from autograder.course.syllabus import read_syllabus


def test_modules_and_exercises_are_what_the_tree_holds(root: Path) -> None:
    """Numbered folders are modules; the lesson orders the exercises and gives the title."""
    syllabus = read_syllabus(root)
    assert [module.heading for module in syllabus.modules] == [
        "01 callbacks",
        "03 async/await",
        "05 shared state",
    ]
    assert [exercise.label for exercise in syllabus.exercises] == [
        "01/later",
        "01/emitter",
        "03/fetch_prices",
        "03/scraper",
        "05/hunt",
    ]


def test_a_stub_may_have_several_graders(root: Path) -> None:
    """test_scraper_parsing.py grades scraper.py too."""
    scraper = choose_one(read_syllabus(root), "scraper")
    assert [path.name for path in scraper.graders] == ["test_scraper.py", "test_scraper_parsing.py"]


def test_an_exercise_in_a_folder_has_several_files(root: Path) -> None:
    """The files of a folder that are no graders are the learner's."""
    hunt = choose_one(read_syllabus(root), "hunt")
    assert [path.name for path in hunt.files()] == ["regression.py", "shop.py"]


def test_a_deleted_stub_is_still_an_exercise(root: Path) -> None:
    """The grader says that there is an exercise; the stub can be restored."""
    (root / "exercises/01_callbacks/later.py").unlink()
    assert choose_one(read_syllabus(root), "later").files() == []


@pytest.mark.parametrize(
    "typed",
    [
        "03/fetch_prices",
        "3/fetch_prices",
        "fetch_prices",
        "03_async_await/fetch_prices",
        "03/fetch_prices.py",
        "exercises/03_async_await/fetch_prices.py",
        "exercises/03_async_await/test_fetch_prices.py",
        "exercises/03/fetch_prices",
    ],
)
def test_an_exercise_is_known_however_it_is_typed(root: Path, typed: str) -> None:
    """Labels, names and paths all name the same exercise."""
    assert [e.label for e in choose(read_syllabus(root), typed)] == ["03/fetch_prices"]


def test_paths_are_seen_from_the_current_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a module's folder a file's bare name is enough."""
    monkeypatch.chdir(root / "exercises" / "03_async_await")
    assert choose_one(read_syllabus(find_root()), "scraper.py").label == "03/scraper"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("04", "There is no module 04 here. The modules are: 01_callbacks, 03_async_await,"),
        ("fetch_price", "There is no exercise fetch_price. Did you mean fetch_prices?"),
        ("03/nothing", "There is no exercise 03/nothing. There are: fetch_prices, scraper."),
        ("03", "03 is a whole module; name one of its exercises: 03/fetch_prices, 03/scraper."),
    ],
)
def test_what_is_unknown_is_refused_in_one_sentence(root: Path, typed: str, sentence: str) -> None:
    """The refusal says what there is instead."""
    with pytest.raises(Refusal) as caught:
        choose_one(read_syllabus(root), typed)
    assert str(caught.value).startswith(sentence)


def test_the_root_is_found_from_any_folder_in_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest folder above that holds a course is the root, unless COURSE_ROOT decides."""
    assert find_root(root / "exercises" / "03_async_await") == root.resolve()
    monkeypatch.setenv("COURSE_ROOT", str(root / "lessons"))
    with pytest.raises(Refusal, match="COURSE_ROOT is"):
        find_root()
