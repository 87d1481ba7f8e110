"""Each host has a queue and `per_host` workers; whoever wants a page leaves an order there.

Pages are read in threads, attempts are cut off with wait_for, and the workers are sent home at the
end with a cancellation that is waited for.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from dataclasses import dataclass, field
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


@dataclass
class Desk:
    """The orders for one host."""

    queue: asyncio.Queue = field(default_factory=asyncio.Queue)
    workers: list = field(default_factory=list)


def worth_another_try(error):
    if isinstance(error, aiohttp.ClientResponseError):
        return error.status in range(500, 600) or error.status == 429
    return isinstance(
        error, (OSError, TimeoutError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
    )


class Office:
    def __init__(self, session, per_host, timeout):
        self.session = session
        self.per_host = per_host
        self.timeout = timeout
        self.desks = {}

    async def order(self, url):
        """One attempt: the text of the page, once a worker has fetched it."""
        netloc = urlsplit(url).netloc
        if netloc not in self.desks:
            desk = self.desks[netloc] = Desk()
            desk.workers = [asyncio.create_task(self.work(desk)) for _ in range(self.per_host)]
        answer = asyncio.get_running_loop().create_future()
        self.desks[netloc].queue.put_nowait((url, answer))
        return await answer

    async def work(self, desk):
        while True:
            url, answer = await desk.queue.get()
            if answer.cancelled():
                continue
            try:
                text = await asyncio.wait_for(self.download(url), self.timeout)
            except Exception as error:
                if not answer.cancelled():
                    answer.set_exception(error)
            else:
                if not answer.cancelled():
                    answer.set_result(text)

    async def download(self, url):
        async with self.session.get(url, raise_for_status=True) as response:
            return await response.text()

    async def close(self):
        workers = [worker for desk in self.desks.values() for worker in desk.workers]
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def patiently(office, url, attempts, pause):
    for left in reversed(range(attempts)):
        try:
            return await office.order(url)
        except Exception as error:
            if left == 0 or not worth_another_try(error):
                raise
            headers = getattr(error, "headers", None) or {}
            seconds = int(headers.get("Retry-After") or 0) or pause + random.random()
        await asyncio.sleep(seconds)


async def chain(office, shop, url, seen, attempts, pause):
    found = []
    while url and url not in seen:
        seen.add(url)
        try:
            html = await patiently(office, url, attempts, pause)
            page = await asyncio.to_thread(read_page, html, url, shop.selectors)
        except Exception as error:
            found.append(Failure(url, error))
            return found
        found.append(page)
        url = page.next_url
    return found


async def one_shop(office, shop, attempts, pause):
    clock = time.perf_counter
    started = clock()
    seen = set()
    todo = [
        asyncio.ensure_future(chain(office, shop, url, seen, attempts, pause)) for url in shop.urls
    ]
    found = list(itertools.chain.from_iterable(await asyncio.gather(*todo)))
    offers = [offer for page in found if type(page) is Page for offer in page.offers]
    failures = [failure for failure in found if type(failure) is Failure]
    return ShopResult(shop, offers, failures, clock() - started)


async def scrape(shops, *, per_host=2, timeout=5.0, attempts=3, pause=0.5, watch=None):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        office = Office(session, per_host, timeout)
        try:
            jobs = [one_shop(office, shop, attempts, pause) for shop in shops]
            return Report(await asyncio.gather(*jobs))
        finally:
            await office.close()
