"""Grades the scraping of scraper.py."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from autograder.course.programs.scraper import markup
from autograder.course.programs.scraper.catalogue import Item
from autograder.course.programs.scraper.checks import (
    comes_from_the_service,
    counted_sessions,
    heartbeat,
    overlapping,
)
from autograder.course.programs.scraper.shops import (
    ShopServer,
    cut_short,
    drop,
    in_turn,
    raw,
    status,
    trickle,
)
from autograder.course.programs.scraper.ten import ten_shops
from autograder.grading import mistake
from autograder.simulation import simulate

STEPS = 10_000
"""A world needs 1,200 at most: whoever takes so many asks again and again, and never waits."""
HOST = "shop.example"
KETTLE = Item("Kettle", Decimal("34.90"), "EUR")
GOOD = markup.microdata("Kettles", [KETTLE])


def kettles(*, next_url=None):
    """A page with one kettle on it, and a link to the next page."""
    return markup.microdata("Kettles", [KETTLE], next_url=next_url)


async def open_shop(world, pages, *, host=HOST, port=80, delay=0.05):
    """Start a shop that serves `pages`, `delay` seconds late."""
    server = ShopServer(pages, delay)
    await world.network.serve_app(server.app(), host, port)
    return server


def shop(submission, *paths, host=HOST, name="Shop"):
    """The learner's Shop for these paths of a host."""
    return submission.Shop(name, tuple(f"http://{host}{path}" for path in paths))


def why(report):
    """The failures of a report, to end a message with."""
    lines = [f"\n  {f.url}: {type(f.error).__name__}: {f.error}" for f in report.failures]
    return "; its failures:" + "".join(lines) if lines else ""


def paths(pages):
    """The paths of offers or failures, as the order of pages shows."""
    return ["/" + page.url.split("/", 3)[3] for page in pages]


async def scrape(submission, shops, **options):
    """Scrape; if a page's error comes out, one failure has lost all the other pages."""
    try:
        report = await submission.scrape(shops, **options)
    except Exception as error:
        assert not comes_from_the_service(error), mistake(  # noqa: PT017
            "one-failure-loses-all",
            f"A page failed, scrape raised {error!r}, and the prices of all other pages were lost.",
        )
        raise
    for failure in report.failures:
        assert isinstance(failure.error, Exception), (
            f"{failure.url}: Failure.error is {failure.error!r}, not an exception"
        )
    return report


# The ten shops


async def open_all(world, submission, locals_, *, port=80):
    """Serve local shops, each on its own host; return the learner's Shops for them."""
    shops = []
    for local in locals_:
        await world.network.serve_app(local.server().app(), f"{local.slug}.example", port)
        selectors = submission.Selectors(*local.selectors) if local.selectors else None
        urls = tuple(f"http://{local.slug}.example:{port}{path}" for path in local.paths)
        shops.append(submission.Shop(local.name, urls, selectors))
    return shops


@pytest.mark.points(3)
@simulate(seeds=2, steps=STEPS)
async def test_ten_shops_are_scraped(world, submission):
    """Ten shops with all kinds of markup and trouble give their prices, and say what failed."""
    locals_ = ten_shops()
    report = await scrape(submission, await open_all(world, submission, locals_))
    assert [result.shop.name for result in report.results] == [local.name for local in locals_]
    for local, result in zip(locals_, report.results, strict=True):
        found = [(o.product, o.price.amount, o.price.currency) for o in result.offers]
        sold = [(item.name, item.amount, item.currency) for item in local.sells]
        assert found == sold, (
            f"{local.name} ({local.note}): found {found}, it sells {sold}{why(result)}"
        )
        failed = paths(result.failures)
        assert failed == list(local.fails), (
            f"{local.name} ({local.note}): failures for {failed}, expected {list(local.fails)}"
        )


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_ten_shops_take_as_long_as_the_slowest(world, submission):
    """Scraping ten shops takes no longer than the slowest of them alone, within ten percent."""
    # One shop is so slow that the pauses of the others, however long they chose, are over before.
    locals_ = [replace(s, delay=9.0) if s.slug == "granite" else s for s in ten_shops()]
    await scrape(submission, await open_all(world, submission, locals_), timeout=20.0)
    together = world.time()
    alone = [local for local in locals_ if local.slug == "granite"]
    shops = await open_all(world, submission, alone, port=81)
    started = world.time()
    await scrape(submission, shops, timeout=20.0)
    seconds = world.time() - started
    assert together <= 1.1 * seconds, (
        f"ten shops took {together:.1f} s, and the slowest of them alone took {seconds:.1f} s"
    )


# At once, within limits


@pytest.mark.points(2)
@simulate(seeds=2, steps=STEPS)
async def test_pages_and_shops_are_scraped_at_once(world, submission):
    """All shops and all their URLs are asked at the same time, as far as the limits allow."""
    servers = [
        await open_shop(world, dict.fromkeys(("/1", "/2", "/3"), GOOD), host=host, delay=2.0)
        for host in ("a.example", "b.example")
    ]
    shops = [shop(submission, "/1", "/2", "/3", host=host) for host in ("a.example", "b.example")]
    await scrape(submission, shops, per_host=3)
    overlaps = overlapping([visit for server in servers for visit in server.visits])
    assert overlaps, mistake(
        "sequential-awaits",
        f"6 pages of 2 s each took {world.time():.1f} s, because each was asked for only when the "
        "one before it had been read.",
    )
    peaks = [server.peak for server in servers]
    assert peaks == [3, 3], f"3 pages at once were allowed to each host; at most {peaks} were asked"
    assert overlaps == 15, "the two shops were not scraped at the same time"


@pytest.mark.points(2)
@simulate(seeds=2, steps=STEPS)
async def test_a_host_is_not_hurried(world, submission):
    """At most `per_host` requests are in flight to a host, whichever shop they are for."""
    names = [f"/{n}" for n in range(8)]
    server = await open_shop(world, dict.fromkeys(names, GOOD), delay=1.0)
    other = await open_shop(world, dict.fromkeys(names, GOOD), port=8080, delay=1.0)
    shops = [
        shop(submission, *names[:4], name="Lamps"),
        shop(submission, *names[4:], name="Kettles"),
        shop(submission, *names, host=f"{HOST}:8080", name="Next door"),
    ]
    await scrape(submission, shops, per_host=2)
    assert server.peak != 8, mistake(
        "unbounded-concurrency", f"All 8 pages of {HOST} were asked for at once; 2 were allowed."
    )
    assert server.peak <= 2, (
        f"{server.peak} pages of {HOST} were asked for at once; 2 were allowed to a host, and two "
        "shops share this one"
    )
    assert other.peak <= 2, f"{other.peak} pages were asked for at once, 2 were allowed"
    assert world.time() < 6, (
        f"two hosts, the ports 80 and 8080, with 8 pages of 1 s each, 2 at once: about 4 s, but "
        f"it took {world.time():.1f} s"
    )


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_one_session_serves_all(world, submission):
    """One ClientSession is opened for all shops and pages, and closed at the end."""
    pages = {"/": kettles(next_url="/2"), "/2": kettles(next_url="/3"), "/3": GOOD}
    for host in ("a.example", "b.example"):
        await open_shop(world, pages, host=host)
    hosts = ("a.example", "b.example")
    with counted_sessions() as sessions:
        await scrape(submission, [shop(submission, "/", host=host) for host in hosts])
    assert len(sessions) < 2, mistake(
        "session-per-request",
        f"{len(sessions)} sessions were opened for 6 pages of 2 shops; each new session connects "
        "anew and knows nothing of the others.",
    )
    assert sessions, "no aiohttp.ClientSession was opened"
    assert sessions[0].closed, "scrape returned, and its session was still open"


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_results_are_in_order(world, submission):
    """Shops, and the pages within a shop, are in the order given, whichever answers first."""
    late = in_turn(trickle(kettles(next_url="/1b"), pause=3.0))
    slow = {"/1": late, "/1b": GOOD, "/2": GOOD, "/3": status(404), "/4": status(410)}
    await open_shop(world, slow, host="slow.example", delay=0.5)
    await open_shop(world, {"/": GOOD}, host="fast.example")
    shops = [
        shop(submission, "/3", "/1", "/2", "/4", host="slow.example", name="slow"),
        shop(submission, "/", host="fast.example", name="fast"),
    ]
    report = await scrape(submission, shops)
    assert [result.shop for result in report.results] == shops, "the shops are in another order"
    offers, failures = paths(report.results[0].offers), paths(report.results[0].failures)
    assert offers == ["/1", "/1b", "/2"], f"offers of {offers}, expected /1, /1b, /2{why(report)}"
    assert failures == ["/3", "/4"], f"failures of {failures}, expected /3, /4"
    slow_seconds, fast_seconds = (result.seconds for result in report.results)
    assert 3.9 < slow_seconds <= world.time(), f"slow took {slow_seconds} s by the report, and 4 s"
    assert fast_seconds < 1, f"fast took {fast_seconds} s by the report; it answers in 0.05 s"


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_a_page_is_read_once(world, submission):
    """A "next" that leads back, or to a page already read, is not followed again."""
    again = in_turn(kettles(next_url="/"), kettles(next_url="/"), GOOD)
    pages = {"/": in_turn(*[kettles(next_url="/2")] * 3, GOOD), "/2": again}
    server = await open_shop(world, pages)
    report = await scrape(submission, [shop(submission, "/", "/2", "/")])
    asked = sorted(server.paths())
    assert asked == ["/", "/2"], f"the shop has 2 pages, and was asked for {asked}"
    assert len(report.offers) == 2, (
        f"2 pages with an offer each gave {len(report.offers)} offers{why(report)}"
    )


# Failures, retries, waits


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_a_failure_costs_nothing_else(world, submission):
    """A page that fails is a Failure; the pages before it and beside it still count."""
    pages = {"/": kettles(next_url="/2"), "/2": status(404), "/sale": GOOD,
             "/odd": raw(b"<h1>K\xfcche</h1>")}  # fmt: skip
    await open_shop(world, pages)
    await open_shop(world, {"/fine": GOOD}, host="fine.example")
    shops = [
        shop(submission, "/", "/odd", "/sale"),
        shop(submission, "/", host="nobody.example"),
        shop(submission, "/fine", host="fine.example"),
    ]
    report = await scrape(submission, shops, pause=0.1)
    found = paths(report.offers)
    assert found != ["/fine"], mistake(
        "one-failure-loses-all",
        "Two of a shop's pages failed, and the prices on its other pages were lost with them.",
    )
    assert found == ["/", "/sale", "/fine"], f"offers of {found}{why(report)}"
    failures = [failure.url for failure in report.failures]
    assert failures == [f"http://{HOST}/2", f"http://{HOST}/odd", "http://nobody.example/"], (
        f"failures of {failures}"
    )


@pytest.mark.points(2)
@simulate(seeds=2, steps=STEPS)
async def test_what_may_go_better_is_repeated(world, submission):
    """A page is asked for again after 429, 5xx, a broken connection and a timeout."""
    # aiohttp itself repeats a GET once when the connection breaks before the answer.
    pages = {
        "/503": in_turn(status(503), GOOD),
        "/429": in_turn(status(429), GOOD),
        "/dropped": in_turn(drop, drop, GOOD),
        "/cut": in_turn(cut_short, GOOD),
        "/stalled": in_turn(trickle(GOOD, pause=500.0), GOOD),
    }
    await open_shop(world, pages)
    report = await scrape(submission, [shop(submission, *pages)], attempts=2, per_host=5)
    assert not report.failures, f"a second attempt would have helped{why(report)}"
    assert len(report.offers) == 5, f"5 pages, but {len(report.offers)} offers"


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_what_stays_wrong_is_not_repeated(world, submission):
    """A page that is missing, forbidden or unreadable is asked for once."""
    pages = {"/404": status(404), "/403": status(403), "/odd": raw(b"\xff"),
             "/words": markup.page("Radios", "call us")}  # fmt: skip
    server = await open_shop(world, pages)
    report = await scrape(submission, [shop(submission, *pages)], pause=0.1)
    assert paths(report.failures) == list(pages), f"failures of {paths(report.failures)}"
    for path in pages:
        asked = server.paths().count(path)
        assert asked <= 1, mistake(
            "retries-everything",
            f"{path} was asked for {asked} times; it will be the same however often one asks.",
        )


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_it_gives_up_after_so_many_attempts(world, submission):
    """A page that keeps failing is asked for `attempts` times, and is then a Failure."""
    for attempts in (1, 4):
        server = await open_shop(world, {"/": status(500)}, port=8000 + attempts)
        where = shop(submission, "/", host=f"{HOST}:{8000 + attempts}")
        report = await scrape(submission, [where], attempts=attempts)
        assert len(server.visits) == attempts, (
            f"attempts={attempts}, but the page was asked for {len(server.visits)} times"
        )
        assert len(report.failures) == 1, f"1 page failed, but failures are {report.failures}"


@pytest.mark.points(2)
@simulate(seeds=1, steps=STEPS)
async def test_it_waits_before_it_asks_again(world, submission):
    """It waits as long as Retry-After says, else at least `pause` seconds."""
    pages = {
        "/429": in_turn(status(429, Retry_After="7"), GOOD),
        "/503": in_turn(status(503, Retry_After="9"), GOOD),
        "/none": in_turn(status(500), GOOD),
    }
    server = await open_shop(world, pages)
    await scrape(submission, [shop(submission, *pages)], pause=2.0, per_host=3)
    for path, wanted in (("/429", 7), ("/503", 9), ("/none", 2)):
        first, second = [visit for visit in server.visits if visit.path == path]
        gap = second.started - first.ended
        said = f"Retry-After: {wanted}" if wanted != 2 else "pause=2.0"
        assert gap >= wanted, f"{path} was asked for again after {gap:.2f} s; {said}"
        assert gap < wanted + 5, f"{path} was asked for again only after {gap:.1f} s; {said}"


@pytest.mark.points(2)
@pytest.mark.hint("Does your timeout also run while the page waits for a place at its host?")
@simulate(seeds=1, steps=STEPS)
async def test_an_attempt_has_its_own_timeout(world, submission):
    """The timeout is for one attempt, body included; waiting for a place is no part of it."""
    await open_shop(world, {f"/{n}": GOOD for n in range(4)}, host="calm.example", delay=2.0)
    stuck = await open_shop(world, {"/": trickle(GOOD, pause=900.0)}, host="stuck.example")
    shops = [
        shop(submission, *[f"/{n}" for n in range(4)], host="calm.example"),
        shop(submission, "/", host="stuck.example"),
    ]
    report = await scrape(submission, shops, per_host=1, timeout=3.0, attempts=2)
    assert len(report.results[0].offers) == 4, (
        "4 pages took 2 s each, one after another, and the timeout was 3 s for each; "
        f"not all were read{why(report)}"
    )
    assert len(report.results[1].failures) == 1, (
        "half a page is no page: stuck.example sent no more"
    )
    assert len(stuck.visits) == 2, f"2 attempts were allowed, {len(stuck.visits)} were made"
    # 2 attempts of 3 s, a pause between them, and a second for aiohttp's rounding of each.
    assert world.time() < 13, f"2 attempts of 3 s took {world.time():.1f} s"


# Being a good guest in the loop


@pytest.mark.points(2)
@simulate(seeds=3, steps=STEPS)
async def test_cancelling_it_ends_its_requests(world, submission):
    """If scrape is cancelled, every request in flight ends with it, and no other is sent."""
    server = await open_shop(world, {f"/{n}": GOOD for n in range(6)}, delay=4.0)
    await cancel(world, submission, server, [shop(submission, *[f"/{n}" for n in range(6)])])


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_cancelling_it_ends_its_waits(world, submission):
    """If scrape is cancelled while a page waits to be asked for again, the wait ends, too."""
    server = await open_shop(world, {"/": status(429, Retry_After="30")})
    await cancel(world, submission, server, [shop(submission, "/")])


async def cancel(world, submission, server, shops):
    """Cancel a scrape after some seconds, and see that nothing of it goes on."""
    with counted_sessions() as sessions:
        task = asyncio.create_task(submission.scrape(shops))
        await asyncio.sleep(2.0 + 3.0 * world.draw("when"))
        answered = sum(visit.answered for visit in server.visits)
        stopped = asyncio.get_running_loop().time()
        task.cancel()
        await asyncio.wait([task], timeout=4)
    assert task.done(), mistake(
        "swallowed-cancellation", "scrape was cancelled, and 4 s later it was still running."
    )
    assert task.cancelled(), "scrape was cancelled, but its caller was not told"
    await asyncio.sleep(60)
    went_on = sum(visit.answered for visit in server.visits) - answered
    assert not went_on, mistake(
        "leaked-task", f"scrape was cancelled and ended, but {went_on} of its requests went on."
    )
    # A request that was on its way already may arrive a moment later.
    later = [visit.path for visit in server.visits if visit.started > stopped + 1]
    assert not later, f"{later} were asked for after scrape had been cancelled"
    assert all(session.closed for session in sessions), (
        "scrape was cancelled and left its session open"
    )


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_the_loop_is_never_blocked(world, submission):
    """While the shops are scraped, other tasks go on running, waits and retries included."""
    pages = {"/": kettles(next_url="/2"), "/2": in_turn(status(503), GOOD)}
    await open_shop(world, pages, delay=0.5)
    async with heartbeat() as heart:
        await scrape(submission, [shop(submission, "/")])
    gap = heart.longest_gap()
    assert gap < 0.3, f"nothing else could run for {gap:.1f} s"
