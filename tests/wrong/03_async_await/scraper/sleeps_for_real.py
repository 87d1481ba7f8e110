"""Obeys Retry-After with time.sleep: the shop is left in peace, and so is everything else.

mistake: blocking-call
fails: test_the_loop_is_never_blocked, test_ten_shops_are_scraped,
    test_a_failure_costs_nothing_else, test_ten_shops_take_as_long_as_the_slowest,
    test_what_may_go_better_is_repeated, test_it_waits_before_it_asks_again,
    test_it_gives_up_after_so_many_attempts, test_an_attempt_has_its_own_timeout,
    test_cancelling_it_ends_its_waits, test_the_last_attempt_is_the_end,
    test_who_watches_is_told_of_shops
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

import aiohttp
from bs4 import BeautifulSoup


@dataclass(frozen=True)
class Selectors:
    """CSS selectors for a page without structured data; name and price are inside an item."""

    item: str
    name: str
    price: str


@dataclass(frozen=True)
class Shop:
    """A shop and the pages to begin with; each may lead to further ones by a "next" link."""

    name: str
    urls: tuple[str, ...]
    selectors: Selectors | None = None


@dataclass(frozen=True)
class Price:
    """An exact amount and the ISO 4217 code of its currency, such as "EUR"."""

    amount: Decimal
    currency: str


@dataclass(frozen=True)
class Offer:
    """A product at a price, and the page it was found on."""

    product: str
    price: Price
    url: str


@dataclass(frozen=True)
class Failure:
    """A page that gave no offers, and the error of the last attempt."""

    url: str
    error: Exception


@dataclass(frozen=True)
class ShopResult:
    """What a shop gave. `seconds` is how long the shop took, its retries and waits included."""

    shop: Shop
    offers: list[Offer]
    failures: list[Failure]
    seconds: float


@dataclass(frozen=True)
class Report:
    """The results of all shops, in the order in which the shops were given."""

    results: list[ShopResult]

    @property
    def offers(self) -> list[Offer]:
        """Every offer of every shop."""
        return [offer for result in self.results for offer in result.offers]

    @property
    def failures(self) -> list[Failure]:
        """Every failure of every shop."""
        return [failure for result in self.results for failure in result.failures]


class PageError(ValueError):
    """The page arrived, and no offer can be read from it."""


CURRENCIES = {"€": "EUR", "$": "USD", "£": "GBP"}

Products = list[tuple[str, Price]]


@dataclass(frozen=True)
class Page:
    """What was read from one page; `next_url` is absolute, None on the last page."""

    offers: list[Offer]
    next_url: str | None


def read_page(html: str, url: str, selectors: Selectors | None = None) -> Page:
    """Read the offers and the link to the next page; PageError if no offer can be read."""
    soup = BeautifulSoup(html, "html.parser")
    try:
        products = json_ld_products(soup) or open_graph_products(soup) or microdata_products(soup)
        if not products and selectors is not None:
            products = selected_products(soup, selectors)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise PageError(f"unreadable: {type(error).__name__}: {error}") from error
    if not products:
        raise PageError("no product with a price on this page")
    link = soup.select_one("a[rel=next], link[rel=next]")
    return Page(
        [Offer(name, price, url) for name, price in products],
        urljoin(url, str(link["href"])) if link else None,
    )


def microdata_products(soup: BeautifulSoup) -> Products:
    """Products marked up with schema.org microdata."""
    products = []
    for item in soup.select('[itemtype$="schema.org/Product"]'):
        name = item.select_one('[itemprop="name"]')
        price = item.select_one('[itemprop="price"]')
        currency = item.select_one('[itemprop="priceCurrency"]')
        if name and price:
            code = str(currency.get("content") or currency.get_text()) if currency else None
            text = str(price.get("content") or price.get_text())
            products.append((name.get_text(strip=True), parse_price(text, code)))
    return products


def selected_products(soup: BeautifulSoup, selectors: Selectors) -> Products:
    """Products found by CSS selectors, the last resort."""
    products = []
    for item in soup.select(selectors.item):
        name, price = item.select_one(selectors.name), item.select_one(selectors.price)
        if name and price:
            products.append((name.get_text(strip=True), parse_price(price.get_text())))
    return products


def parse_price(text: str, currency: str | None = None) -> Price:
    """Read a price as people write it; `currency` is used if the text names none."""
    number = re.search(r"\d(?:[\d.,'\u2019\s]*\d)?", text)
    code = re.search(r"\b[A-Z]{3}\b", text)
    symbol = next((CURRENCIES[char] for char in text if char in CURRENCIES), None)
    found = code[0] if code else symbol or currency
    if not number or not found:
        raise ValueError(f"no price in {text!r}")
    # One or two digits after the last dot or comma are cents; every other mark groups thousands.
    cents = re.search(r"[.,](\d{1,2})$", number[0])
    whole = number[0][: cents.start()] if cents else number[0]
    digits = re.sub(r"\D", "", whole)
    return Price(Decimal(f"{digits}.{cents[1]}" if cents else digits), found)


def json_ld_products(soup: BeautifulSoup) -> Products:
    """Products in the page's JSON-LD scripts."""
    products = []
    for script in soup.select('script[type="application/ld+json"]'):
        data = json.loads(script.get_text())
        things = data if isinstance(data, list) else data.get("@graph", [data])
        for thing in things:
            if thing["@type"] == "Product":
                offers = thing["offers"]
                offer = offers[0] if isinstance(offers, list) else offers
                price = parse_price(str(offer["price"]), offer["priceCurrency"])
                products.append((thing["name"], price))
    return products


def open_graph_products(soup: BeautifulSoup) -> Products:
    """The one product an Open Graph page is about; none if it states no price."""
    metas = {str(m["property"]): str(m.get("content")) for m in soup.select("meta[property]")}
    if "product:price:amount" not in metas:
        return []
    price = parse_price(metas["product:price:amount"], metas["product:price:currency"])
    return [(metas["og:title"], price)]


RETRIED = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)


def is_temporary(error):
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status == 429 or error.status >= 500
    return isinstance(error, RETRIED)


def seconds_to_wait(error, pause):
    headers = getattr(error, "headers", None) or {}
    return float(headers.get("Retry-After") or pause)


async def get(session, semaphore, url, timeout):
    async with semaphore, asyncio.timeout(timeout):
        async with session.get(url) as response:
            response.raise_for_status()
            return await response.text()


async def fetch(session, semaphore, url, timeout, attempts, pause):
    for attempt in range(attempts):
        try:
            return await get(session, semaphore, url, timeout)
        except Exception as error:
            if attempt + 1 == attempts or not is_temporary(error):
                raise
            wait = seconds_to_wait(error, pause)
        time.sleep(wait)


async def follow(session, hosts, shop, url, seen, timeout, attempts, pause):
    offers, failures = [], []
    while url and url not in seen:
        seen.add(url)
        try:
            html = await fetch(session, hosts[urlsplit(url).netloc], url, timeout, attempts, pause)
            page = read_page(html, url, shop.selectors)
        except Exception as error:
            failures.append(Failure(url, error))
            break
        offers += page.offers
        url = page.next_url
    return offers, failures


async def scrape_shop(session, hosts, shop, timeout, attempts, pause):
    started = time.monotonic()
    seen = set()
    parts = await asyncio.gather(
        *(follow(session, hosts, shop, url, seen, timeout, attempts, pause) for url in shop.urls)
    )
    offers = [offer for part, _ in parts for offer in part]
    failures = [failure for _, part in parts for failure in part]
    return ShopResult(shop, offers, failures, time.monotonic() - started)


async def scrape(shops, *, per_host=2, timeout=5.0, attempts=3, pause=0.5, watch=None):
    hosts = defaultdict(lambda: asyncio.Semaphore(per_host))
    async with aiohttp.ClientSession() as session:
        results = await asyncio.gather(
            *(scrape_shop(session, hosts, shop, timeout, attempts, pause) for shop in shops)
        )
    return Report(results)
