"""Grades scraper.py on real sockets and real time: `pytest exercises/03 -k scraper --live`."""

import pytest

from autograder.course.programs.scraper.local import open_shops
from autograder.course.programs.scraper.ten import ten_shops


@pytest.mark.live
async def test_ten_real_shops_are_scraped(submission):
    """Ten shops over real HTTP on this machine give their prices, and say what failed."""
    locals_ = ten_shops()
    async with open_shops(locals_, lambda name, visit: None) as wanted:
        shops = [
            submission.Shop(
                shop.name,
                shop.urls,
                submission.Selectors(*shop.selectors) if shop.selectors else None,
            )
            for shop in wanted.shops
        ]
        report = await submission.scrape(shops)
    for local, result in zip(locals_, report.results, strict=True):
        found = [(offer.product, offer.price.amount) for offer in result.offers]
        sold = [(item.name, item.amount) for item in local.sells]
        assert found == sold, f"{local.name} ({local.note}): found {found}, it sells {sold}"
        failed = ["/" + failure.url.split("/", 3)[3] for failure in result.failures]
        assert failed == list(local.fails), f"{local.name}: failures for {failed}"
