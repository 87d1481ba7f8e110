"""`course run scraper`: start the shops, scrape them, show what came of it."""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from autograder.course.programs.scraper import results, scrapers, shop_list
from autograder.course.programs.scraper.display import Display
from autograder.course.programs.scraper.local import open_shops
from autograder.course.programs.scraper.ten import LocalShop, ten_shops
from autograder.course.refusal import Refusal

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended."""


def run(
    mine: Annotated[
        bool, typer.Option("--mine", help="Use your own scraper, not the reference solution.")
    ] = False,
    shops: Annotated[
        Path | None,
        typer.Option(
            "--shops", metavar="FILE.toml", help="Scrape the shops this file names, not local ones."
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write the prices to a .csv or .json file."),
    ] = None,
) -> None:
    """Scrape the prices of ten shops at once.

    Ten shops start on this machine and answer over real HTTP: four kinds of markup, five ways to
    write a price, one that is slow, one that fails, one that limits its visitors, one that sends
    rubbish, one with several pages.

    \b
    A file for --shops names the pages to begin with. Selectors are for pages without structured
    data; [options] and all that is in it may be left out.
      [options]
      per_host = 1
      timeout = 10.0
      [[shop]]
      name = "Bergmann"
      urls = ["https://bergmann.example/angebote"]
      selectors = { item = ".card", name = ".title", price = ".cost" }

    \b
    Examples:
      course run scraper
      course run scraper --mine --save prices.csv
      course run scraper --shops shops.toml --save prices.json
    """
    console = Console(highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, emoji=False, markup=False, width=100)
    if save is not None:
        results.check_format(save)
    scraper = scrapers.load(mine)
    wanted = shop_list.read(shops) if shops is not None else None
    ten = ten_shops() if wanted is None else []
    notes = {shop.name: shop.note for shop in ten}
    try:
        report, seconds = asyncio.run(_scrape(scraper, wanted, ten, console))
    except KeyboardInterrupt:
        console.print("Stopped. The shops are closed, and nothing is left running.")
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:
        raise Refusal(scraper.complaint(error)) from error
    results.show(console, report, seconds, scraper.path, notes)
    if save is not None:
        count = results.save(save, report)
        console.print(f"\n{count} prices written to {save}")


async def _scrape(
    scraper: scrapers.Scraper,
    wanted: shop_list.ShopList | None,
    ten: list[LocalShop],
    console: Console,
) -> tuple[Any, float]:
    """Scrape the wanted shops, else the ten, which are open only as long as this takes.

    Gives the report, and the seconds that the scrape took.
    """
    display = Display(console, f"Scraping with {scraper.path}")
    async with contextlib.AsyncExitStack() as stack:
        if wanted is None:
            wanted = await stack.enter_async_context(open_shops(ten, display.visited))
        notes = {shop.name: shop.note for shop in ten}
        display.expect([shop.name for shop in wanted.shops], notes)
        stack.enter_context(display)
        loop = asyncio.get_running_loop()
        started = loop.time()
        report = await scraper.scrape(wanted, display.tell)
        return report, loop.time() - started
