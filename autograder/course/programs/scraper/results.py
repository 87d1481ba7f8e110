"""What a scrape found: tables for people, CSV and JSON for programs.

A report here is the Report of whichever scraper ran: see `solutions/03_async_await/scraper.py`.
"""

import asyncio
import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from autograder.course.refusal import Refusal

FORMATS = (".csv", ".json")


def show(
    console: Console, report: Any, seconds: float, scraper: str, notes: Mapping[str, str]
) -> None:
    """Print prices, shops, failures and times.

    `seconds` is how long the whole scrape took; `notes` has a remark about some shops, by name.
    """
    _show_prices(console, report)
    _show_shops(console, report, notes)
    _show_failures(console, report)
    _show_times(console, report, seconds, scraper)


def _table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, box=None, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def _show_prices(console: Console, report: Any) -> None:
    prices = sorted(
        (offer.product, offer.price.currency, offer.price.amount, result.shop.name)
        for result in report.results
        for offer in result.offers
    )
    table = _table("Prices", "product", "price", "", "shop", right=("price",))
    before = None
    for product, currency, amount, shop in prices:
        table.add_row("" if product == before else product, f"{amount:,.2f}", currency, shop)
        before = product
    console.print(table)


def _show_shops(console: Console, report: Any, notes: Mapping[str, str]) -> None:
    table = _table("\nShops", "shop", "prices", "failures", "time", "",
                   right=("prices", "failures", "time"))  # fmt: skip
    for result in report.results:
        counts = (str(len(result.offers) or "-"), str(len(result.failures) or "-"))
        table.add_row(result.shop.name, *counts, f"{result.seconds:.1f} s",
                      notes.get(result.shop.name, ""))  # fmt: skip
    console.print(table)


def _show_failures(console: Console, report: Any) -> None:
    table = _table("\nFailures", "shop", "page", "why")
    for result in report.results:
        for failure in result.failures:
            table.add_row(result.shop.name, failure.url, reason(failure.error))
    if table.row_count:
        console.print(table)


def _show_times(console: Console, report: Any, seconds: float, scraper: str) -> None:
    times = [result.seconds for result in report.results]
    if not times:
        return
    slowest = max(report.results, key=lambda result: result.seconds)
    console.print(
        f"\n{len(times)} shops in {seconds:.1f} s, by {scraper}.\n"
        f"The slowest, {slowest.shop.name}, took {slowest.seconds:.1f} s of it.\n"
        f"One shop after another would take about {sum(times):.1f} s: the sum of the shops' own "
        "times above,\neach from its first request to its last answer, waits and retries included."
    )


def reason(error: BaseException) -> str:
    """Say in a few words why a page failed."""
    import aiohttp

    match error:
        case aiohttp.ContentTypeError():
            return f"unexpected content: {error.message}"
        case aiohttp.ClientResponseError():
            return f"{error.status} {error.message}"
        case asyncio.TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorDNSError():
            return f"there is no host {error.host}"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection"
        case UnicodeDecodeError():
            return f"it says it is {error.encoding}, and is not: byte {error.start}"
    text = str(error)
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


def check_format(path: Path) -> None:
    """Raise Refusal unless `save` knows what to write into this file."""
    if path.suffix.lower() not in FORMATS:
        raise Refusal(f"{path}: prices are saved as .csv or .json.")
    if not path.parent.is_dir():
        raise Refusal(f"{path}: there is no folder {path.parent}.")


def save(path: Path, report: Any) -> int:
    """Write all offers, and to JSON also failures and times; gives the number of offers."""
    offers = [
        {
            "shop": result.shop.name,
            "product": offer.product,
            "amount": str(offer.price.amount),
            "currency": offer.price.currency,
            "url": offer.url,
        }
        for result in report.results
        for offer in result.offers
    ]
    try:
        if path.suffix.lower() == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, ["shop", "product", "amount", "currency", "url"])
                writer.writeheader()
                writer.writerows(offers)
        else:
            data = {"offers": offers, "failures": _failures(report), "shops": _times(report)}
            path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise Refusal(f"{path} cannot be written: {error.strerror}.") from None
    return len(offers)


def _failures(report: Any) -> list[dict[str, str]]:
    return [
        {"shop": result.shop.name, "url": failure.url, "reason": reason(failure.error)}
        for result in report.results
        for failure in result.failures
    ]


def _times(report: Any) -> list[dict[str, object]]:
    return [
        {"shop": result.shop.name, "seconds": round(result.seconds, 3)} for result in report.results
    ]
