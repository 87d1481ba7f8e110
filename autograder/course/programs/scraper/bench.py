"""The stage of scraper.py's graders: shops to scrape, and what a report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import ModuleType
from typing import Any

from autograder.course.programs.scraper import markup
from autograder.course.programs.scraper.catalogue import Item
from autograder.course.programs.scraper.checks import comes_from_a_page
from autograder.course.programs.scraper.shops import Handler, ShopServer
from autograder.grading import mistake
from autograder.simulation import World

STEPS = 10_000
"""A world needs 1,200 at most: whoever takes so many asks again and again, and never waits."""
HOST = "shop.example"
KETTLE = Item("Kettle", Decimal("34.90"), "EUR")
GOOD = markup.microdata("Kettles", [KETTLE])


def kettles(*, next_url: str | None = None) -> str:
    """A page with one kettle on it, and a link to the next page."""
    return markup.microdata("Kettles", [KETTLE], next_url=next_url)


async def open_shop(
    world: World,
    pages: Mapping[str, str | Handler],
    *,
    host: str = HOST,
    port: int = 80,
    delay: float = 0.05,
) -> ShopServer:
    """Start a shop that serves `pages`, `delay` seconds late."""
    server = ShopServer(pages, delay)
    await world.network.serve_app(server.app(), host, port)
    return server


def shop(submission: ModuleType, *paths: str, host: str = HOST, name: str = "Shop") -> Any:
    """The learner's Shop for these paths of a host."""
    return submission.Shop(name, tuple(f"http://{host}{path}" for path in paths))


def why(report: Any) -> str:
    """The failures of a report, to end a message with."""
    lines = [f"\n  {f.url}: {type(f.error).__name__}: {f.error}" for f in report.failures]
    return "; its failures:" + "".join(lines) if lines else ""


def paths(pages: Sequence[Any]) -> list[str]:
    """The paths of offers or failures, as the order of pages shows."""
    return ["/" + page.url.split("/", 3)[3] for page in pages]


async def scrape(submission: ModuleType, shops: Sequence[Any], **options: Any) -> Any:
    """Scrape; if a page's error comes out, one failure has lost all the other pages."""
    try:
        report = await submission.scrape(shops, **options)
    except Exception as error:
        assert not comes_from_a_page(error, submission.PageError), mistake(  # noqa: PT017
            "one-failure-loses-all",
            f"A page failed, scrape raised {error!r}, and the prices of all other pages were lost.",
        )
        raise
    for failure in report.failures:
        assert isinstance(failure.error, Exception), (
            f"{failure.url}: Failure.error is {failure.error!r}, not an exception"
        )
    return report
