"""Grades the scraping of scraper.py: shops, pages, limits, order."""

from dataclasses import replace

import pytest

from autograder.course.programs.scraper.bench import (
    GOOD,
    HOST,
    STEPS,
    kettles,
    open_shop,
    paths,
    scrape,
    shop,
    why,
)
from autograder.course.programs.scraper.checks import counted_sessions, overlapping, short
from autograder.course.programs.scraper.shops import in_turn, status, trickle
from autograder.course.programs.scraper.ten import ten_shops
from autograder.grading import mistake
from autograder.simulation import simulate

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
@simulate(seeds=1, steps=STEPS)
async def test_pages_and_shops_are_scraped_at_once(world, submission):
    """All shops and all their URLs are asked at the same time, as far as the limits allow."""
    paths_of = {f"{name}.example": ("/1",) for name in "abcdefghi"}
    paths_of |= {"a.example": ("/1", "/2", "/3"), "b.example": ("/1", "/2", "/3")}
    servers = [
        await open_shop(world, dict.fromkeys(paths, GOOD), host=host, delay=2.0)
        for host, paths in paths_of.items()
    ]
    shops = [shop(submission, *paths, host=host) for host, paths in paths_of.items()]
    await scrape(submission, shops, per_host=3)
    overlaps = overlapping([visit for server in servers for visit in server.visits])
    assert overlaps, mistake(
        "sequential-awaits",
        f"13 pages of 2 s each took {world.time():.1f} s, because each was asked for only when "
        "the one before it had been read.",
    )
    peaks = [server.peak for server in servers[:2]]
    assert peaks == [3, 3], f"3 pages at once were allowed to each host; at most {peaks} were asked"
    assert overlaps == 13 * 12 // 2, (
        "9 shops, each on a host of its own, have 13 pages that each take 2 s. All of them may be "
        f"asked for at once, and they took {world.time():.1f} s"
    )


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_a_next_page_waits_for_no_other(world, submission):
    """A next page is asked for once the page that links to it is read, whatever else is slow."""
    pages = {"/slow": trickle(GOOD, pause=20.0), "/1": kettles(next_url="/2"),
             "/2": kettles(next_url="/3"), "/3": GOOD}  # fmt: skip
    server = await open_shop(world, pages)
    report = await scrape(submission, [shop(submission, "/slow", "/1")], timeout=60.0)
    assert sorted(server.paths()) == sorted(pages), f"asked for {server.paths()}{why(report)}"
    visits = {visit.path: visit for visit in server.visits}
    for path in ("/2", "/3"):
        late = visits[path].started - visits["/1"].ended
        assert late < 15, (
            f"{path} was asked for {late:.0f} s after /1 had been read, when /slow had been read "
            "too; it has nothing to do with /slow"
        )


@pytest.mark.points(2)
@simulate(seeds=2, steps=STEPS)
async def test_a_host_is_not_hurried(world, submission):
    """At most `per_host` requests are in flight to a host, whichever shop they are for."""
    names = [f"/{n}" for n in range(8)]
    slowly = trickle(GOOD, pause=0.5)  # half of the page comes at once, and half of it later
    server = await open_shop(world, dict.fromkeys(names, slowly), delay=0.5)
    other = await open_shop(world, dict.fromkeys(names, GOOD), port=8080, delay=1.0)
    next_door = [f"http://{HOST}:8080{name}" for name in names]
    next_door[1:1] = [f"http://{HOST}{name}" for name in names[6:]]
    shops = [
        shop(submission, *names[:3], name="Lamps"),
        shop(submission, *names[3:6], name="Kettles"),
        submission.Shop("Next door", tuple(next_door)),
    ]
    await scrape(submission, shops, per_host=2)
    assert server.peak != 8, mistake(
        "unbounded-concurrency", f"All 8 pages of {HOST} were asked for at once; 2 were allowed."
    )
    assert server.peak <= 2, (
        f"{server.peak} pages of {HOST} were on their way at once; 2 were allowed to a host, and "
        "three shops share this one"
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
    # The same time is measured by two clocks, whose last digits differ.
    assert 3.9 < slow_seconds < world.time() + 0.01, (
        f"slow took {slow_seconds} s by the report, and 4 s"
    )
    assert fast_seconds < 1, f"fast took {fast_seconds} s by the report; it answers in 0.05 s"


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_a_page_is_read_once(world, submission):
    """A "next" that leads back, or to a page already read, is not followed again."""
    again = in_turn(kettles(next_url="/"), kettles(next_url="/"), GOOD)
    pages = {"/": in_turn(*[kettles(next_url="/2")] * 3, GOOD), "/2": again,
             "/a": kettles(next_url="/c"), "/b": kettles(next_url="/c"),
             "/c": kettles(next_url="/gone")}  # fmt: skip
    server = await open_shop(world, pages)
    lamps = shop(submission, "/", "/2", "/", "/a", "/b", "/gone")
    report = await scrape(submission, [lamps], attempts=1)
    asked = sorted(server.paths())
    assert asked == ["/", "/2", "/a", "/b", "/c", "/gone"], (
        f"the shop has the pages /, /2, /a, /b, /c and /gone, and was asked for {', '.join(asked)}"
    )
    assert len(report.offers) == 5, (
        f"5 pages with an offer each gave {len(report.offers)} offers{why(report)}"
    )
    assert len(report.failures) == 1, f"1 page is missing, but failures are {report.failures}"


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_who_watches_is_told_of_shops(world, submission):
    """`watch` may be called with the name of a shop and a text, and with nothing else."""
    await open_shop(world, {"/1": kettles(next_url="/2"), "/2": in_turn(status(503), GOOD)})
    told = []

    def watch(*args, **named):
        told.append((*args, *(f"{name}={value!r}" for name, value in named.items())))

    shops = [shop(submission, "/1", name="Lamps"), shop(submission, "/gone", name="Kettles")]
    report = await scrape(submission, shops, watch=watch)
    assert paths(report.offers) == ["/1", "/2"], f"offers of {paths(report.offers)}{why(report)}"
    for call in told:
        odd = len(call) != 2 or call[0] not in ("Lamps", "Kettles") or not isinstance(call[1], str)
        assert not odd, (
            f"watch was called with {', '.join(map(short, call)) or 'nothing'}; expected the name "
            "of a shop and a text"
        )


@pytest.mark.points(1)
@simulate(seeds=1, steps=STEPS)
async def test_each_shop_reads_its_own_pages(world, submission):
    """A page that two shops have in common is read for each of them."""
    await open_shop(world, {"/lamps": kettles(next_url="/sale"), "/sale": GOOD})
    shops = [
        shop(submission, "/lamps", name="Lamps"),
        shop(submission, "/sale", name="Sale"),
    ]
    report = await scrape(submission, shops)
    found = [paths(result.offers) for result in report.results]
    assert found == [["/lamps", "/sale"], ["/sale"]], (
        "Lamps has the pages /lamps and /sale, and Sale has /sale; offers were found on "
        f"{found[0]} and {found[1]}{why(report)}"
    )
