"""What a person types for a test means the test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autograder.grading.paths import UnknownPath, resolve

FILES = (
    "03_async_await/fetch.py",
    "03_async_await/test_fetch.py",
    "03_async_await/scraper.py",
    "03_async_await/test_scraper.py",
    "03_async_await/test_scraper_prices.py",
    "05_shared_state/hunt/shop.py",
    "05_shared_state/hunt/test_shop.py",
    "05_shared_state/hunt/test_regression.py",
    "13_cqrs/outbox.py",
    "13_cqrs/test_outbox.py",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "exercises" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "lessons").mkdir()
    (tmp_path / "tests").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("here", "typed", "meant"),
    [
        ("", "exercises/03", "03_async_await"),
        ("", "exercises/3", "03_async_await"),
        ("", "exercises/03_async", "03_async_await"),
        ("", "exercises/03/", "03_async_await"),
        ("", "03", "03_async_await"),
        ("exercises", "03", "03_async_await"),
        ("exercises", "03/fetch", "03_async_await/test_fetch.py"),
        ("exercises/03_async_await", "fetch", "03_async_await/test_fetch.py"),
        ("exercises/03_async_await", "fetch.py", "03_async_await/test_fetch.py"),
        ("lessons", "../exercises/03", "03_async_await"),
        ("lessons", "exercises/03", "03_async_await"),
        ("lessons", "03/fetch", "03_async_await/test_fetch.py"),
        ("", "exercises/03/fetch", "03_async_await/test_fetch.py"),
        ("", "exercises/03/fetch.py", "03_async_await/test_fetch.py"),
        ("", "exercises/03/test_fetch.py", "03_async_await/test_fetch.py"),
        ("", "exercises/03_async_await/fetch", "03_async_await/test_fetch.py"),
        ("", "exercises/03_async_await/fetch.py", "03_async_await/test_fetch.py"),
        ("", "exercises/05/hunt", "05_shared_state/hunt/test_regression.py"),
        ("", "exercises/05/hunt/test_shop.py", "05_shared_state/hunt/test_shop.py"),
        ("", "exercises/03/fetch::test_it", "03_async_await/test_fetch.py::test_it"),
        ("", "exercises/03/fetch::test_it[1::2]", "03_async_await/test_fetch.py::test_it[1::2]"),
    ],
)
def test_an_argument_means(root: Path, here: str, typed: str, meant: str) -> None:
    found = resolve(typed, root / here, root)
    path, separator, test = meant.partition("::")
    assert found[0] == f"{root / 'exercises' / path}{separator}{test}"


def test_an_exercise_means_all_its_graders(root: Path) -> None:
    found = resolve("exercises/03/scraper", root, root)
    assert [Path(path).name for path in found] == ["test_scraper.py", "test_scraper_prices.py"]
    (more,) = resolve("exercises/03/scraper_prices", root, root)
    assert Path(more).name == "test_scraper_prices.py"


def test_a_test_is_looked_for_in_all_graders_of_its_exercise(root: Path) -> None:
    module = root / "exercises" / "03_async_await"
    (module / "test_scraper.py").write_text("async def test_one():\n    pass\n")
    (module / "test_scraper_prices.py").write_text("def test_two(x):\n    pass\n")
    for test, name in (("test_one", "scraper"), ("test_two[1]", "scraper_prices")):
        found = resolve(f"exercises/03/scraper::{test}", root, root)
        assert found == [f"{module / f'test_{name}.py'}::{test}"]


def test_a_stub_in_a_folder_means_all_graders_of_the_folder(root: Path) -> None:
    found = resolve("exercises/05_shared_state/hunt/shop.py", root, root)
    assert [Path(path).name for path in found] == ["test_regression.py", "test_shop.py"]


@pytest.mark.parametrize(
    "typed",
    [
        "exercises",
        "exercises/03_async_await",
        "exercises/03_async_await/test_fetch.py",
        "exercises/03_async_await/test_fetch.py::test_it",
        "tests",
        "nowhere",
        "nowhere/at_all.py::test_it",
    ],
)
def test_what_pytest_understands_stays_as_it_is(root: Path, typed: str) -> None:
    assert resolve(typed, root, root) == [typed]


def test_absolute_paths_work_from_anywhere(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    test = root / "exercises" / "03_async_await" / "test_fetch.py"
    assert resolve(f"{test}::test_it", elsewhere, root) == [f"{test}::test_it"]
    assert resolve(str(test.with_name("fetch.py")), elsewhere, root) == [str(test)]
    assert resolve(str(root / "exercises" / "3"), elsewhere, root) == [str(test.parent)]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("exercises/99", "The modules are: 03_async_await, 05_shared_state, 13_cqrs."),
        ("99", "There is no module '99'"),
        ("exercises/03_sync", "Did you mean 03_async_await?"),
        ("exercises/03/fetsh", "has no exercise 'fetsh'. Did you mean fetch? It has: fetch,"),
    ],
)
def test_what_does_not_exist_is_said_in_one_sentence(root: Path, typed: str, said: str) -> None:
    with pytest.raises(UnknownPath) as caught:
        resolve(typed, root, root)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="paths there have a drive")
def test_the_root_may_be_given_with_dots(root: Path) -> None:
    assert resolve("./lessons/../exercises/13", root, root) == [str(root / "exercises/13_cqrs")]
