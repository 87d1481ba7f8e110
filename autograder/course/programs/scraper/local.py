"""The ten shops on this machine: real HTTP on 127.0.0.1, each on a free port of its own."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from aiohttp import web

from autograder.course.programs.scraper.shop_list import ShopList, WantedShop
from autograder.course.programs.scraper.shops import Visit
from autograder.course.programs.scraper.ten import LocalShop

OnVisit = Callable[[str, Visit], None]
"""Told the name of the shop and the visit, when a request has been answered."""


@contextlib.asynccontextmanager
async def open_shops(shops: Sequence[LocalShop], on_visit: OnVisit) -> AsyncIterator[ShopList]:
    """Open the shops; gives what there is to scrape. They close at the end, whoever is inside."""
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for shop in shops:
            server = shop.server()
            server.on_visit = lambda visit, name=shop.name: on_visit(name, visit)
            runner = web.AppRunner(
                server.app(), access_log=None, handler_cancellation=True, shutdown_timeout=0.1
            )
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            urls = tuple(f"http://127.0.0.1:{port}{path}" for path in shop.paths)
            opened.append(WantedShop(shop.name, urls, shop.selectors))
        yield ShopList(opened)
