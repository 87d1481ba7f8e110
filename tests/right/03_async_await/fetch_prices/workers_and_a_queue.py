"""Workers that take their work from a queue, in a TaskGroup; a small class holds it together."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Price:
    url: str
    amount: Decimal


@dataclass(frozen=True)
class Failure:
    url: str
    error: Exception


class Fetcher:
    def __init__(self, session, urls):
        self.session = session
        self.queue = asyncio.Queue()
        for position, url in enumerate(urls):
            self.queue.put_nowait((position, url))
        self.results = [None] * len(urls)

    async def work(self):
        while not self.queue.empty():
            position, url = self.queue.get_nowait()
            self.results[position] = await self.fetch(url)

    async def fetch(self, url):
        try:
            response = await self.session.get(url)
            try:
                response.raise_for_status()
                answer = await response.json()
            finally:
                response.release()
            return Price(url, Decimal(answer["price"]))
        except Exception as error:
            return Failure(url, error)


async def fetch_prices(session, urls, *, limit=10):
    fetcher = Fetcher(session, urls)
    async with asyncio.TaskGroup() as group:
        for _ in range(min(limit, len(urls))):
            group.create_task(fetcher.work())
    return fetcher.results
