"""One coroutine decides: a heap of what is due, and asyncio.wait with a timeout"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import re
import time
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urljoin, urlsplit

import aiohttp
from bs4 import BeautifulSoup

# --- Given: the types, and half of the parsing -----------------------------------------------


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


def parse_price(text, currency=None):
    number, last = "", None
    for char in text:
        if char.isdigit():
            number += char
        elif char in ".," and number:
            last = len(number)
    digits = len(number) - last if last is not None else 0
    for symbol, code in CURRENCIES.items():
        if symbol in text:
            currency = code
    for word in re.findall(r"[A-Z]+", text):
        if len(word) == 3:
            currency = word
    if not number or not currency:
        raise ValueError(text)
    if digits in (1, 2):
        number = number[:-digits] + "." + number[-digits:]
    return Price(Decimal(number), currency)


def json_ld_products(soup):
    found = []
    for script in soup.find_all("script", type="application/ld+json"):
        content = json.loads(script.string)
        if isinstance(content, dict):
            content = content.get("@graph", [content])
        for thing in content:
            if thing.get("@type") == "Product":
                offer = thing["offers"]
                if isinstance(offer, list):
                    offer = offer[0]
                found.append(
                    (thing["name"], Price(Decimal(str(offer["price"])), offer["priceCurrency"]))
                )
    return found


def open_graph_products(soup):
    tags = {tag.get("property"): tag.get("content") for tag in soup.find_all("meta")}
    amount = tags.get("product:price:amount")
    return (
        [(tags["og:title"], Price(Decimal(amount), tags["product:price:currency"]))]
        if amount
        else []
    )


async def scrape(shops, *, per_host=2, timeout=5.0, attempts=3, pause=0.5, watch=None):
    now = time.monotonic
    start = now()
    number = itertools.count()
    due, running, rows, ended = [], {}, {}, [start] * len(shops)
    load = defaultdict(int)
    seen = set()

    def add(i, j, k, url):
        if (i, url) not in seen:
            seen.add((i, url))
            heapq.heappush(due, (now(), next(number), i, j, k, url, 1))

    async def one(session, url):
        async with asyncio.timeout(timeout):
            response = await session.get(url)
            try:
                content = await response.read()
            finally:
                response.release()
        return response, content

    for i, shop in enumerate(shops):
        for j, url in enumerate(shop.urls):
            add(i, j, 0, url)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        try:
            while due or running:
                later = []
                while due and due[0][0] <= now():
                    job = heapq.heappop(due)
                    host = urlsplit(job[5]).netloc
                    if load[host] < per_host:
                        load[host] += 1
                        running[asyncio.create_task(one(session, job[5]), name=job[5])] = job
                    else:
                        later.append(job)
                until = max(0.0, due[0][0] - now()) + 0.001 if due else None
                for job in later:
                    heapq.heappush(due, job)
                if running:
                    done, _ = await asyncio.wait(
                        running, timeout=until, return_when="FIRST_COMPLETED"
                    )
                else:
                    await asyncio.sleep(until)
                    continue
                for task in done:
                    _, _, i, j, k, url, n = running.pop(task)
                    load[urlsplit(url).netloc] -= 1
                    wait, result = None, None
                    try:
                        response, content = task.result()
                        if response.status == 429 or response.status >= 500:
                            wait = float(response.headers.get("Retry-After", 0)) or pause
                        response.raise_for_status()
                        result = read_page(
                            content.decode(response.get_encoding()), url, shops[i].selectors
                        )
                    except (
                        aiohttp.ClientConnectionError,
                        aiohttp.ClientPayloadError,
                        TimeoutError,
                    ) as e:
                        wait, result = pause, Failure(url, e)
                    except Exception as e:
                        result = Failure(url, e)
                    if wait is not None and n < attempts:
                        heapq.heappush(due, (now() + wait, next(number), i, j, k, url, n + 1))
                        continue
                    rows[i, j, k] = result
                    ended[i] = now()
                    if isinstance(result, Page) and result.next_url:
                        add(i, j, k + 1, result.next_url)
        finally:
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)
    results = []
    for i, shop in enumerate(shops):
        mine = [rows[key] for key in sorted(rows) if key[0] == i]
        results.append(
            ShopResult(
                shop,
                [o for r in mine if isinstance(r, Page) for o in r.offers],
                [r for r in mine if isinstance(r, Failure)],
                ended[i] - start,
            )
        )
    return Report(results)
