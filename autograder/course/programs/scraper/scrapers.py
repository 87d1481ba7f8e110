"""The scraper to run: the reference solution, or the learner's."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.course.programs.scraper.shop_list import ShopList
from autograder.course.refusal import Refusal
from autograder.course.root import answers_of, find_root, shown
from autograder.grading import loading
from autograder.grading.complaints import BadSubmission

FILE = "03_async_await/scraper.py"


@dataclass(frozen=True)
class Scraper:
    """A module that has what the brief of `scraper.py` asks for."""

    module: ModuleType
    file: Path
    path: str
    """The file as a person in the current folder would type it."""

    async def scrape(self, wanted: ShopList, watch: Callable[[str, str], None]) -> Any:
        """Scrape the shops; gives the module's own Report.

        Raises:
            Refusal: what came back is no Report.
        """
        shops = [
            self.module.Shop(
                shop.name,
                shop.urls,
                self.module.Selectors(*shop.selectors) if shop.selectors else None,
            )
            for shop in wanted.shops
        ]
        report = await self.module.scrape(shops, watch=watch, **wanted.options)
        if not isinstance(report, self.module.Report):
            raise Refusal(f"scrape in {self.path} gave {report!r:.80}, which is no Report.")
        return report

    def complaint(self, error: BaseException) -> str:
        """One sentence about what scrape raised."""
        if isinstance(error, Refusal):
            return str(error)
        places = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename) == self.file
        ]
        if isinstance(error, NotImplementedError):
            what = places[-1].name if places else "scrape"
            return (
                f"{what} in {self.path} is not written yet. "
                "Without --mine, the reference solution scrapes."
            )
        where = f", line {places[-1].lineno}" if places else ""
        return f"The scraper in {self.path}{where} raised {type(error).__name__}: {error}"


def load(mine: bool) -> Scraper:
    """Load the learner's scraper, or the reference solution.

    Raises:
        Refusal: it is not there, or cannot be imported, or lacks something.
    """
    root = find_root()
    file = answers_of(root, mine=mine) / FILE
    path = shown(file, root)
    module = loading.new_module("scraper_to_run", file)
    try:
        loading.execute(loading.compiled(file), module, lambda name: name == str(file))
    except BadSubmission as bad:
        rows = "".join(f"\n    {row}" for row in bad.complaint.rows)
        raise Refusal(f"{path} {bad.complaint.says}{rows}") from None
    for name in ("scrape", "Shop", "Selectors", "Report"):
        if not hasattr(module, name):
            raise Refusal(f"{path} has no {name} any more; the stub has it.")
    return Scraper(module, file, path)
