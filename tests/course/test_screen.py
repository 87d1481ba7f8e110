"""What is written, and to what kind of terminal."""

import io
import sys
from pathlib import Path

import pytest

from autograder.course import screen
from autograder.course.completion import complete_exercise, complete_mistake

activation = screen.activation  # before the fixture for all tests replaces it


def test_signs_are_ascii_where_nothing_else_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console in code page 1252 cannot draw a circle."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "cp1252"))
    assert screen.symbol("done") == "#"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    assert screen.symbol("done") == "●"


def test_text_survives_an_encoding_that_cannot_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question mark is better than a traceback."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    screen.survive_any_encoding()
    screen.say("1 €")
    assert raw.getvalue().split() == [b"1", b"?"]


def test_there_is_no_colour_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Styles and Markdown are for terminals."""
    screen.say("bold", "bold red")
    screen.markdown("# Title\n\n`code`")
    assert capsys.readouterr().out == "bold\nTitle\n\n`code`\n"


def test_code_is_indented_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Fences, and words for our own tests such as no-run, are not for readers."""
    screen.markdown("So:\n\n```python no-run\nif x:\n    y\n\nz\n```\n```python\n# w\n```\n\nEnd.")
    code = ["    if x:", "        y", "", "    z", "", "    # w"]
    assert capsys.readouterr().out.splitlines() == ["So:", "", *code, "", "End."]


def test_a_link_to_a_lesson_says_where_it_leads(capsys: pytest.CaptureFixture[str]) -> None:
    """The same words as below a failure, which one can follow in any editor."""
    screen.markdown("Read: [Cancel, then await](03_async_await.md#cancel-then-await)")
    out = capsys.readouterr().out
    assert out == 'Read: lessons/03_async_await.md, "Cancel, then await"\n'


@pytest.mark.skipif(sys.platform == "win32", reason="the scripts have other names there")
def test_a_terminal_without_the_environment_is_told_how_to_enter_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`make learn` works anywhere; `course` needs the environment's folder on PATH."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "course").touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("PATH", "")
    assert activation() == ". .venv/bin/activate"
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert activation() == "source .venv/bin/activate.fish"
    monkeypatch.setenv("PATH", str(folder))
    assert activation() is None


def test_tab_completes_modules_exercises_and_mistakes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken tree completes to nothing."""
    assert complete_exercise("03") == ["03", "03/fetch_prices", "03/scraper"]
    assert complete_exercise("sc") == ["scraper"]
    assert complete_mistake("n") == ["never-awaited"]
    monkeypatch.setenv("COURSE_ROOT", "/no/such/folder")
    assert complete_exercise("0") == complete_mistake("") == []
