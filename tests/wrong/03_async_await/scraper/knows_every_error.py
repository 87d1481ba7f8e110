"""Catches ValueError too, for odd bytes and odd prices, and believes that this is everything.

A page whose JSON is a hundred thousand brackets makes json give up with a RecursionError.

mistake: one-failure-loses-all
fails: test_a_failure_costs_nothing_else
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
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
    match = re.search(r"\d[\d.,'\u2019\s]*", text)
    if not match:
        raise ValueError(f"no number in {text!r}")
    number = match[0].strip().rstrip(".,'\u2019")
    cents = re.search(r"[.,](\d{1,2})$", number)
    if cents:
        whole = re.sub(r"\D", "", number[: cents.start()])
        amount = Decimal(f"{whole}.{cents[1]}")
    else:
        amount = Decimal(re.sub(r"\D", "", number))
    code = re.search(r"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])", text)
    if code:
        currency = code[0]
    else:
        for symbol, name in CURRENCIES.items():
            if symbol in text:
                currency = name
    if not currency:
        raise ValueError(f"no currency in {text!r}")
    return Price(amount, currency)


def json_ld_products(soup: BeautifulSoup) -> Products:
    """Products in the page's JSON-LD scripts."""
    products = []
    for script in soup.select('script[type="application/ld+json"]'):
        data = json.loads(script.get_text())
        if isinstance(data, dict):
            data = data.get("@graph", [data])
        for item in data:
            if item.get("@type") != "Product":
                continue
            offer = item["offers"]
            if isinstance(offer, list):
                offer = offer[0]
            products.append(
                (item["name"], parse_price(str(offer["price"]), offer.get("priceCurrency")))
            )
    return products


def open_graph_products(soup: BeautifulSoup) -> Products:
    """The one product an Open Graph page is about; none if it states no price."""

    def content(name):
        tag = soup.select_one(f'meta[property="{name}"]')
        return tag["content"] if tag else None

    amount = content("product:price:amount")
    if amount is None:
        return []
    return [(content("og:title"), parse_price(amount, content("product:price:currency")))]


def may_go_better(error: Exception) -> bool:
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status == 429 or error.status >= 500
    return isinstance(
        error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | TimeoutError
    )


def retry_after(error: Exception) -> float | None:
    headers = getattr(error, "headers", None) or {}
    value = headers.get("Retry-After", "").strip()
    return float(value) if value.isdecimal() else None


async def scrape(
    shops: Sequence[Shop],
    *,
    per_host: int = 2,
    timeout: float = 5.0,
    attempts: int = 3,
    pause: float = 0.5,
    watch: Callable[[str, str], None] | None = None,
) -> Report:
    """Scrape all shops at once; see the rules at the top."""
    slots = defaultdict(lambda: asyncio.Semaphore(per_host))

    def tell(shop, text):
        if watch:
            watch(shop.name, text)

    async def get(session, url):
        async with slots[urlsplit(url).netloc], asyncio.timeout(timeout):
            async with session.get(url) as response:
                response.raise_for_status()
                return await response.text()

    async def get_with_retries(session, shop, url):
        wait = pause
        for attempt in range(1, attempts + 1):
            try:
                tell(shop, f"asking {url}")
                return await get(session, url)
            except Exception as error:
                if attempt == attempts or not may_go_better(error):
                    raise
                asked = retry_after(error)
            await asyncio.sleep(wait if asked is None else asked)
            wait *= 2

    async def chain(session, shop, url, seen):
        offers, failures = [], []
        while url and url not in seen:
            seen.add(url)
            try:
                html = await get_with_retries(session, shop, url)
                page = read_page(html, url, shop.selectors)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                failures.append(Failure(url, error))
                tell(shop, f"failed: {error}")
                break
            offers += page.offers
            url = page.next_url
        return offers, failures

    async def scrape_shop(session, shop):
        started = time.monotonic()
        seen = set()
        found = await asyncio.gather(*(chain(session, shop, url, seen) for url in shop.urls))
        offers = [offer for some, _ in found for offer in some]
        failures = [failure for _, some in found for failure in some]
        tell(shop, f"done, {len(offers)} offers")
        return ShopResult(shop, offers, failures, time.monotonic() - started)

    async with aiohttp.ClientSession() as session:
        results = await asyncio.gather(*(scrape_shop(session, shop) for shop in shops))
    return Report(list(results))
