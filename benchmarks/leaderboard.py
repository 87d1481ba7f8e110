"""How long from a score to a screen, on one core: ``python benchmarks/leaderboard.py``.

Players send a thousand scores a second, by real WebSockets; a gateway, an embedded Valkey and a
worker (the reference solution of module 10) bring them to a viewer, which is a real WebSocket,
too. All of it, players and viewer included, shares one core. Beside it, in turns: the same players
and the same viewer with a bare relay of websockets in between, which has no Redis, one dict, and
the same limit of boards a second. What the relay takes is the price of WebSockets, Python and the
limit; the rest is the price of a stream, a sorted set and Pub/Sub.

A score counts when a board shows it, or a newer one of its player, and its time begins when it was
due: if the machine is late in sending it, that counts, too.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from autograder import services
from autograder.course.programs.leaderboard.gauge import Spread, spread
from autograder.course.programs.leaderboard.program import load, open_all
from autograder.course.programs.leaderboard.stage import Stage

GOAL = 0.250
"""Seconds: the 99th percentile is to be below it."""


class Relay:
    """The peer: what a gateway does when there is only one, and nothing needs to be kept."""

    @staticmethod
    @asynccontextmanager
    async def serve_board(
        host: str, port: int, url: str, *, board: str, top: int, fps: float
    ) -> AsyncIterator[Any]:
        scores: dict[str, int] = {}
        viewers: set[ServerConnection] = set()

        async def attend(connection: ServerConnection) -> None:
            try:
                async for text in connection:
                    said = json.loads(text)
                    if said["type"] == "watch":
                        viewers.add(connection)
                        continue
                    scores[said["player"]] = said["score"]
                    answer = {"type": "taken", "player": said["player"], "seq": said["seq"]}
                    await connection.send(json.dumps(answer))
            except ConnectionClosed:
                pass
            finally:
                viewers.discard(connection)

        async def show() -> None:
            for version in range(sys.maxsize):
                best = heapq.nlargest(top, scores.items(), key=lambda item: item[1])
                text = json.dumps({"type": "board", "version": version, "top": best})
                for viewer in viewers:
                    await viewer.send(text)
                await asyncio.sleep(1 / fps)

        async with serve(attend, host, port, compression=None) as server:
            showing = asyncio.create_task(show())
            try:
                yield server
            finally:
                showing.cancel()

    @staticmethod
    async def work(url: str, stop: asyncio.Event, **options: Any) -> None:
        await stop.wait()


async def measure(answer: Any, url: str, options: argparse.Namespace) -> tuple[Spread, float]:
    """The latencies, and the scores a second that were seen."""
    stage = Stage(answer, url, top=options.players, fps=options.fps)
    async with stage.open(gateways=1, workers=1, players=options.players, rate=options.rate):
        await asyncio.sleep(2)  # warm, connected, and everybody on the board
        began = time.perf_counter()
        await asyncio.sleep(options.seconds)
        seen = [one for at, one in stage.gauge.took if at >= began]
        span = time.perf_counter() - began
        stage.crowd.rate = 0
    found = spread(seen)
    assert found is not None, "no score was ever seen"
    return found, len(seen) / span


async def in_a_browser(url: str, options: argparse.Namespace, core: set[int]) -> str:
    """What the page says in Chromium, which runs on all cores: it is not ours."""
    from playwright.async_api import async_playwright, expect

    answer, path = load(mine=False)
    pages = open_all(answer, path, url, gateways=1, workers=1, rate=options.rate)
    async with async_playwright() as playwright, pages as (address, _):
        confine(set(range(os.cpu_count() or 1)))
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        confine(core)
        page = await browser.new_page()
        await page.goto(address)
        await expect(page.locator("#here-text")).to_contain_text(
            f"with {options.browser} ", timeout=2000 * options.browser + 30_000
        )
        p50, p99 = [await page.locator(f"#here-{n}").inner_text() for n in ("p50", "p99")]
        await browser.close()
    return f"in Chromium, {options.browser} scores of the page's own: p50 {p50} ms, p99 {p99}"


def confine(cores: set[int]) -> None:
    """Let this process, and those it starts from now on, run on these cores only."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rate", type=int, default=1000, help="scores a second")
    arguments.add_argument("--players", type=int, default=50, help="how many send them")
    arguments.add_argument("--fps", type=float, default=10, help="boards a second")
    arguments.add_argument("--seconds", type=float, default=10, help="of each measurement")
    arguments.add_argument("--rounds", type=int, default=2, help="measurements of each")
    arguments.add_argument("--core", type=int, help="which one; the last by default")
    arguments.add_argument(
        "--browser", type=int, metavar="N", help="also measure N scores in Chromium, two a second"
    )
    options = arguments.parse_args()
    where, core = "all cores: this system cannot confine us to one", set[int]()
    if hasattr(os, "sched_setaffinity"):
        core = {max(os.sched_getaffinity(0)) if options.core is None else options.core}
        confine(core)  # before the server starts: it inherits this
        where = f"core {max(core)}"
    with services.require("redis") as server:
        print(f"Python {platform.python_version()}, {where}, {server.provider}")
        if "wheel" not in server.provider:
            print("That server was there before: it is not confined to this core.")
        print(
            f"{options.players} players, {options.rate:,} scores a second, "
            f"{options.fps:g} boards a second, {options.seconds:g} s each\n"
        )
        print(f"{'':24}{'scores/s':>10}{'p50':>10}{'p99':>10}{'max':>10}{'Python':>10}")
        results: dict[str, list[Spread]] = {}
        for _ in range(options.rounds):
            for name, answer in (("leaderboard", load(mine=False)[0]), ("bare relay", Relay)):
                before, began = time.process_time(), time.perf_counter()
                found, rate = asyncio.run(measure(answer, server.address, options))
                share = (time.process_time() - before) / (time.perf_counter() - began)
                results.setdefault(name, []).append(found)
                row = "".join(f"{1000 * one:>7.0f} ms" for one in found[1:])
                print(f"{name:24}{rate:>10,.0f}{row}{share:>10.0%}", flush=True)
        if options.browser:
            print(asyncio.run(in_a_browser(server.address, options, core)))
    best = {name: min(found, key=lambda one: one.p99) for name, found in results.items()}
    ours, relay = best["leaderboard"], best["bare relay"]
    print(f"\np99 of the best rounds: {ours.p99 / relay.p99:.2f} times that of the relay")
    print(f"goal: p99 below {GOAL * 1000:.0f} ms: {'met' if ours.p99 < GOAL else 'missed'}")
    return 0 if ours.p99 < GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
