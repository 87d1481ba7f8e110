"""What a learner wrote is found, executed, and spoken of in one sentence if it is not right."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from autograder.grading.complaints import BadSubmission, Complaint, MissingName
from autograder.grading.submission import Copies, Submission
from autograder.grading.tree import Exercise


class Desk:
    """Takes answers in and hands submissions out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.entered: list[Copies] = []

    def write(self, name: str, source: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = dedent(source).lstrip("\n").encode() if isinstance(source, str) else source
        path.write_bytes(content)
        return path

    def copies(self, exercise: Exercise) -> Copies:
        copies = Copies(exercise, self.folder / exercise.file)
        copies.enter()
        self.entered.append(copies)
        return copies

    def submit(self, source: str | bytes) -> Any:
        self.write("03_async_await/fetch.py", source)
        copies = self.copies(Exercise("03_async_await", "fetch"))
        return Submission(copies, copies.name)

    def complaint(self, source: str | bytes) -> Complaint:
        complaint: Complaint | None = self.submit(source)._copies.complaint
        assert complaint is not None
        assert "\n" not in complaint.says
        return complaint

    def folder_of(self, **sources: str) -> Any:
        for name, source in sources.items():
            self.write(f"05_shared_state/hunt/{name}.py", source)
        copies = self.copies(Exercise("05_shared_state", "hunt", folder=True))
        return Submission(copies, copies.name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for copies in desk.entered:
        copies.leave()


# -- what works as in any module -----------------------------------------------------------------


def test_names_of_the_module_are_there_and_can_be_replaced(desk: Desk) -> None:
    fetch = desk.submit("LIMIT = 3\n\ndef limit():\n    return LIMIT\n")
    fetch.LIMIT = 4
    assert fetch.limit() == 4
    fetch.renew()
    assert fetch.limit() == 3


def test_a_process_that_is_started_shares_no_state(desk: Desk) -> None:
    """After `restart` the file is executed anew; what is in use already goes on with its own."""
    fetch = desk.submit("SEEN = []\n\ndef see(name):\n    SEEN.append(name)\n    return SEEN\n")
    see = fetch.see
    assert see("ada") == ["ada"]
    assert fetch.restart().see("bob") == ["bob"]
    assert see("cy") == ["ada", "cy"]
    fetch.renew()
    assert fetch.see("dia") == ["dia"]


def test_tools_see_the_learners_file(desk: Desk) -> None:
    fetch = desk.submit(
        """
        from __future__ import annotations
        from dataclasses import dataclass


        @dataclass
        class Price:
            amount: int


        def fail():
            raise KeyError("usd")


        if __name__ == "__main__":
            raise SystemExit(1)
        """
    )
    assert Path(fetch.__file__) == desk.folder / "03_async_await" / "fetch.py"
    assert inspect.getsource(fetch.fail) == 'def fail():\n    raise KeyError("usd")\n'
    price = fetch.Price(3)
    assert pickle.loads(pickle.dumps(price)) == price
    assert inspect.signature(fetch.Price).parameters["amount"].annotation == "int"
    with pytest.raises(KeyError) as caught:
        fetch.fail()
    assert 'raise KeyError("usd")' in "".join(traceback.format_exception(caught.value))


def test_a_changed_file_is_read_again(desk: Desk) -> None:
    assert desk.submit("x = 1").x == 1
    assert desk.submit("x = 10").x == 10


def test_nothing_of_it_stays_importable(desk: Desk) -> None:
    before = set(sys.modules)
    fetch = desk.submit("x = 1")
    assert fetch.x == 1
    fetch._copies.leave()
    assert not {name for name in set(sys.modules) - before if "submission" in name}


def test_what_it_prints_while_it_is_imported_is_kept_quiet(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.submit("import sys\nprint('x' * 5_000_000)\nprint('y', file=sys.stderr)")
    assert capsys.readouterr() == ("", "")


# -- files that cannot be graded -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "says", "rows"),
    [
        (
            "x = 1\n  reserved = {sku: (n for sku in items}\n",
            "could not be read: line 2, unexpected indent.",
            ("reserved = {sku: (n for sku in items}",),
        ),
        (
            "def f():\n    call(1,\n",
            "could not be read: line 2, '(' was never closed.",
            ("call(1,", "    ^"),
        ),
        (
            "def f():\n    return await g()\n",
            "could not be read: line 2, 'await' outside async function: "
            "write async def in front of the function around it.",
            ("return await g()", "       ^"),
        ),
        (b"x = '\xff'\n", None, None),
        (b"x = 1\0\n", None, None),
        (
            "import json\nimport aiohtp_\n",
            "could not be imported: line 2, there is no module 'aiohtp_'.",
            ("import aiohtp_", "It is not installed here. `course doctor` says what is."),
        ),
        (
            "def f():\n    return {}['usd']\n\nf()\n",
            "could not be imported: line 2, KeyError: 'usd'.",
            ("return {}['usd']",),
        ),
        (
            "import sys\nsys.exit(0)\n",
            "ends the program while it is imported: line 2, SystemExit.",
            ("sys.exit(0)", 'What a script does belongs under  if __name__ == "__main__":'),
        ),
        (
            "raise KeyboardInterrupt\n",
            "could not be imported: line 1, KeyboardInterrupt.",
            ("raise KeyboardInterrupt",),
        ),
        (
            "import pytest\npytest.skip('all', allow_module_level=True)\n",
            "could not be imported: line 2, Skipped: all.",
            ("pytest.skip('all', allow_module_level=True)",),
        ),
    ],
)
def test_a_file_that_cannot_be_loaded(
    desk: Desk, source: str | bytes, says: str | None, rows: tuple[str, ...] | None
) -> None:
    complaint = desk.complaint(source)
    assert complaint.unreadable
    if says is not None:
        assert complaint.says == says
        assert complaint.rows[: len(rows or ())] == rows
    assert complaint.says.startswith("could not be") or says is not None


@pytest.mark.parametrize(
    "last",
    [
        "asyncio.run(main())",
        "asyncio.new_event_loop().run_until_complete(main())",
        "with asyncio.Runner() as runner:\n    runner.run(main())",
    ],
)
def test_a_file_that_runs_a_loop_while_it_is_imported(desk: Desk, last: str) -> None:
    complaint = desk.complaint(f"import asyncio\nasync def main():\n    open('/nope')\n{last}\n")
    assert complaint.says.startswith("runs an event loop while it is imported: line")
    loop = asyncio.new_event_loop()  # loops run again afterwards
    assert loop.run_until_complete(asyncio.sleep(0, 7)) == 7
    loop.close()


def test_a_file_that_is_gone(desk: Desk) -> None:
    desk.submit("x = 1")
    (desk.folder / "03_async_await" / "fetch.py").unlink()
    copies = desk.copies(Exercise("03_async_await", "fetch"))
    assert copies.complaint is not None
    assert copies.complaint.says == "is not there."
    with pytest.raises(BadSubmission):
        copies.renew()


def test_a_name_that_is_missing(desk: Desk) -> None:
    fetch = desk.submit(
        "import json\nfrom typing import TypeVar\nT = TypeVar('T')\n"
        "async def fetch_price(): ...\ndef _helper(): ...\nclass Price: ...\n"
    )
    with pytest.raises(MissingName) as caught:
        _ = fetch.fetch_prices
    complaint = caught.value.complaint
    assert complaint.says == (
        "has no fetch_prices. Did you mean fetch_price? It has to be called fetch_prices."
    )
    assert complaint.rows == ("It has: fetch_price, Price.",)
    assert not hasattr(fetch, "anything")
    assert desk.submit("")._copies.complaint is None


def test_a_ctrl_c_while_a_file_is_imported_is_no_fault_of_the_file(desk: Desk) -> None:
    with pytest.raises(KeyboardInterrupt):
        desk.submit("import _thread, time\n_thread.interrupt_main()\nfor _ in range(10**6): pass\n")


# -- exercises of several files ------------------------------------------------------------------


def test_files_of_a_folder_import_each_other_and_are_renewed_together(desk: Desk) -> None:
    hunt = desk.folder_of(
        shop="sold = []\n\ndef sell(x):\n    sold.append(x)\n",
        till="import shop\n\ndef ring(x):\n    shop.sell(x)\n    return shop.sold\n",
    )
    for _ in range(4):
        hunt.renew()
        assert hunt.till.ring(1) == [1]
        assert hunt.shop.sold == [1]
    with pytest.raises(MissingName, match=r"has no bank\.py"):
        _ = hunt.bank


def test_a_folder_whose_file_cannot_be_read(desk: Desk) -> None:
    hunt = desk.folder_of(shop="def sell(:\n", till="import shop\n")
    with pytest.raises(BadSubmission, match=r"shop\.py could not be read: line 1"):
        _ = hunt.till.ring


def test_files_of_a_folder_hide_no_library(desk: Desk) -> None:
    hunt = desk.folder_of(json="x = 1\n", till="import json\nloads = json.loads\n")
    assert hunt.till.loads("3") == 3


def test_a_single_file_does_not_import_its_neighbours(desk: Desk) -> None:
    desk.write("03_async_await/scraper.py", "x = 1")
    complaint = desk.complaint("import scraper\n")
    assert complaint.rows[1] == "Each exercise is one file: it cannot import another exercise's."


def test_a_folder_leaves_nothing_behind(desk: Desk) -> None:
    hunt = desk.folder_of(shop_of_hunt="x = 1\n", till_of_hunt="import shop_of_hunt\n")
    assert hunt.till_of_hunt.shop_of_hunt.x == 1
    hunt._copies.leave()
    assert "shop_of_hunt" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        __import__("shop_of_hunt")
