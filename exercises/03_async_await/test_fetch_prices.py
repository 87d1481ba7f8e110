"""Grades fetch_prices.py."""

import asyncio
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from autograder.course.programs.scraper.checks import (
    comes_from_a_request,
    comes_from_reading,
    heartbeat,
    learners_line,
    pending_tasks,
    short,
)
from autograder.course.programs.scraper.shops import ShopServer, drop, status
from autograder.grading import mistake
from autograder.simulation import simulate

BUSY = 10_000
"""Steps in a row. A world needs 300 in all: whoever takes so many never waits."""
HOST = "prices.example"


def priced(price, *, after=0.0, code=200):
    """A handler that answers with a price, `after` seconds late."""

    async def handler(request):
        await asyncio.sleep(after)
        return web.json_response({"price": price}, status=code)

    return handler


def says(text, *, as_json=True):
    """A handler that answers with this text."""

    async def handler(request):
        kind = "application/json" if as_json else "text/plain"
        return web.Response(text=text, content_type=kind)

    return handler


def slow_body(price, *, seconds):
    """A handler that sends the headers at once and the body later."""

    async def handler(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await asyncio.sleep(seconds)
        await response.write(b'{"price": "%s"}' % price.encode())
        return response

    return handler


async def serve(world, pages, *, delay=0.0):
    """Serve `pages` (path to handler) and return the server and the URLs of all pages."""
    server = ShopServer(pages, delay)
    await world.network.serve_app(server.app(), HOST, 80)
    return server, [f"http://{HOST}{path}" for path in pages]


async def fetch_beside(submission, urls, bad, *, odd=False):
    """Fetch URLs of which some are `bad`; a raised error of theirs has lost the others."""
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            return await submission.fetch_prices(session, urls, limit=2)
    except Exception as error:
        theirs = comes_from_a_request(error) or (odd and comes_from_reading(error))
        if theirs and await does_well(submission, [url for url in urls if url not in bad]):
            line = learners_line(error)
            where = f" at line {line.lineno}, `{line.line}`," if line is not None else ""
            raise AssertionError(
                mistake(
                    "one-failure-loses-all",
                    f"{len(bad)} of {len(urls)} URLs failed, fetch_prices raised{where} "
                    f"{short(error)}, and the other prices were lost.",
                )
            ) from error
        raise


async def does_well(submission, urls):
    """Whether fetch_prices raises nothing for these: otherwise it is not a bad URL's error."""
    try:
        async with aiohttp.ClientSession() as session:
            await submission.fetch_prices(session, urls)
    except Exception:
        return False
    return True


def assert_one_result_each(results, urls):
    assert isinstance(results, list), f"the result is {short(results)}; it should be a list"
    assert len(results) == len(urls), f"{len(results)} results for {len(urls)} URLs"


def assert_failures_are_beside(submission, urls, bad, results):
    """`bad` says of each URL that fails how it does."""
    assert_one_result_each(results, urls)
    about = [getattr(result, "url", None) for result in results]
    assert about == urls or sorted(map(str, about)) != sorted(urls), (
        f"the results are in another order than the URLs: {in_short(about)}; "
        f"expected {in_short(urls)}"
    )
    for url, result in zip(urls, results, strict=True):
        if url not in bad:
            expected = submission.Price(url, Decimal("5.00"))
            assert result == expected, (
                f"{url} answered 5.00, but its result is {short(result)}; "
                f"expected {short(expected)}"
            )
            continue
        assert isinstance(result, submission.Failure), (
            f"{url} {bad[url]}, and its result is {short(result)}, not a Failure"
        )
        assert result.url == url, f"the failure of {url} says that it is about {short(result.url)}"
        assert isinstance(result.error, Exception), (
            f"{url} {bad[url]}: Failure.error is {short(result.error)}; "
            "it should be the exception that says why"
        )


def in_short(urls):
    """The paths of these URLs, in a row."""
    return ", ".join(str(url).removeprefix(f"http://{HOST}") for url in urls)


@pytest.mark.points(2)
@pytest.mark.hint("A list of results in the order of their URLs is what asyncio.gather gives.")
@simulate(seeds=3, busy=BUSY)
async def test_results_are_in_the_order_of_the_urls(world, submission):
    """There is one Price for each URL, in the order of the URLs, whichever answers first."""
    amounts = {"/slow": "24.90", "/medium": "0.0705", "/fast": "1299.95"}
    delays = {"/slow": 3.0, "/medium": 2.0, "/fast": 1.0}
    pages = {path: priced(amounts[path], after=delays[path]) for path in amounts}
    _, urls = await serve(world, pages)
    urls = [*urls, urls[0]]
    async with aiohttp.ClientSession() as session:
        results = await submission.fetch_prices(session, urls)
    expected = [submission.Price(u, Decimal(amounts["/" + u.rpartition("/")[2]])) for u in urls]
    assert_one_result_each(results, urls)
    in_order_of_finishing = sorted(
        expected, key=lambda price: delays["/" + price.url.rpartition("/")[2]]
    )
    assert results != in_order_of_finishing, mistake(
        "completion-order", "The results are in the order in which the answers came."
    )
    about = [getattr(result, "url", None) for result in results]
    assert about == urls or sorted(map(str, about)) != sorted(urls), (
        f"the results are in another order than the URLs: {in_short(about)}; "
        f"expected {in_short(urls)}"
    )
    for url, result, price in zip(urls, results, expected, strict=True):
        assert result == price, f"the result of {url} is {short(result)}; expected {short(price)}"
        assert isinstance(result.amount, Decimal), (
            f"the amount of {url} is {short(result.amount)}; expected {price.amount!r}"
        )


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_no_urls_give_no_results(world, submission):
    """Without URLs the result is an empty list."""
    async with aiohttp.ClientSession() as session:
        results = await submission.fetch_prices(session, [])
    assert results == [], f"got {short(results)} for no URLs; expected []"


@pytest.mark.points(2)
@pytest.mark.hint("An await in a loop waits for one before it begins the next: start all first.")
@simulate(seeds=2, busy=BUSY)
async def test_requests_run_at_the_same_time(world, submission):
    """Twelve URLs are all in flight at once if the limit is twelve; each call has its own limit."""
    server, urls = await serve(world, {f"/{n}": priced("5.00") for n in range(12)}, delay=1.0)
    async with aiohttp.ClientSession() as session:
        await submission.fetch_prices(session, urls, limit=12)
    assert server.peak != 1, mistake(
        "sequential-awaits",
        f"12 URLs took {world.time():.1f} s, because each request began when the one before it "
        "had ended.",
    )
    assert server.peak == 12, f"{server.peak} requests were in flight at once; 12 were allowed"
    server.peak = 0
    async with aiohttp.ClientSession() as session:
        await submission.fetch_prices(session, urls, limit=4)
    assert server.peak == 4, (
        "called again, with limit=4 after limit=12, fetch_prices had "
        f"{server.peak} requests in flight at once"
    )


@pytest.mark.points(2)
@simulate(seeds=2, busy=BUSY)
async def test_no_more_than_the_limit_are_in_flight(world, submission):
    """Of twelve URLs, no more than `limit` are in flight at any moment."""
    server, urls = await serve(world, {f"/{n}": priced("5.00") for n in range(12)}, delay=1.0)
    async with aiohttp.ClientSession() as session:
        await submission.fetch_prices(session, urls, limit=3)
    assert server.peak != 12, mistake(
        "unbounded-concurrency", "All 12 requests were in flight at once; the limit was 3."
    )
    assert server.peak <= 3, f"{server.peak} requests were in flight at once; the limit was 3"
    assert len(server.visits) == 12, f"12 URLs, but {len(server.visits)} requests"
    # A connection and a request are four trips of 0.05 s at most.
    assert world.time() < 5.5 or server.peak < 3, (
        f"12 URLs of 1 s each, 3 at a time, took {world.time():.1f} s: places stood empty"
    )


@pytest.mark.points(1)
@pytest.mark.hint("Where does your code give its place back: before or after the body is read?")
@simulate(seeds=2, busy=BUSY)
async def test_a_request_is_in_flight_until_its_body_is_there(world, submission):
    """A request holds its place until the whole body has arrived."""
    server, urls = await serve(world, {f"/{n}": slow_body("5.00", seconds=1) for n in range(5)})
    async with aiohttp.ClientSession() as session:
        await submission.fetch_prices(session, urls, limit=2)
    assert server.peak <= 2, (
        f"{server.peak} answers were on their way at once; the limit was 2. The headers come "
        "first, the body may take its time"
    )


@pytest.mark.points(1)
@simulate(seeds=2, busy=BUSY)
async def test_a_free_place_is_taken_at_once(world, submission):
    """When one of two requests is done, the next one starts; it does not wait for the other."""
    pages = {"/slow": priced("5.00", after=30), "/1": priced("5.00", after=1),
             "/2": priced("5.00", after=1), "/3": priced("5.00", after=1)}  # fmt: skip
    server, urls = await serve(world, pages)
    async with aiohttp.ClientSession() as session:
        results = await submission.fetch_prices(session, urls, limit=2)
    assert_one_result_each(results, urls)
    started = {visit.path: visit.started for visit in server.visits}
    ended = {visit.path: visit.ended for visit in server.visits}
    for url, result in zip(urls, results, strict=True):
        path = url.removeprefix(f"http://{HOST}")
        assert path in started, f"{path} was never asked; its result is {short(result)}"
        assert ended[path] is not None, (
            f"fetch_prices returned after {world.time():.0f} s, while {path} was still being "
            f"answered; its result is {short(result)}"
        )
    assert started["/1"] < ended["/slow"], "only one request was in flight; the limit was 2"
    assert started["/2"] < ended["/slow"], mistake(
        "batch-waits-for-slowest",
        f"/1 was done, and its place stood empty for {started['/2'] - ended['/1']:.0f} s: the next "
        "one began only when /slow was done too.",
    )
    assert started["/3"] < ended["/slow"], "a place was free, and /3 was not asked"


@pytest.mark.points(2)
@simulate(seeds=2, busy=BUSY)
async def test_a_failure_is_kept_beside_the_rest(world, submission):
    """A status of 400 or more, or no answer at all, is a Failure in its place."""
    pages = {
        "/first": priced("5.00", after=2),
        "/missing": status(404),
        "/refused": priced("0.00", code=400),
        "/broken": priced("0.00", code=503),
        "/cut": drop,
        "/silent": priced("5.00", after=900),
        "/last": priced("5.00", after=1),
    }
    _, urls = await serve(world, pages)
    urls.insert(4, "http://nobody.example/")
    bad = {
        urls[1]: "answered with status 404",
        urls[2]: "answered with status 400",
        urls[3]: "answered with status 503",
        urls[4]: "could not be found",
        urls[5]: "closed the connection without an answer",
        urls[6]: "did not answer within the session's timeout",
    }
    results = await fetch_beside(submission, urls, bad)
    assert_failures_are_beside(submission, urls, bad, results)


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_all_may_fail(world, submission):
    """Where every URL fails, there is a Failure for each."""
    _, urls = await serve(world, {"/1": status(404), "/2": status(503)})
    async with aiohttp.ClientSession() as session:
        results = await submission.fetch_prices(session, urls)
    bad = {urls[0]: "answered with status 404", urls[1]: "answered with status 503"}
    assert_failures_are_beside(submission, urls, bad, results)


@pytest.mark.points(1)
@pytest.mark.hint("Decimal('soon') raises InvalidOperation. Is it in your list of exceptions?")
@simulate(seeds=1, busy=BUSY)
async def test_an_odd_answer_is_a_failure(world, submission):
    """An answer that is no JSON, or has no price in it, is a Failure in its place."""
    odd = {
        "/soon": '{"price": "soon"}',
        "/list": "[]",
        "/empty": "{}",
        "/text": "out of stock",
        "/cut": '{"price":',
        "/deep": "[" * 100_000,  # json gives up with a RecursionError
    }
    pages = {
        "/first": priced("5.00"),
        **{path: says(text, as_json=path != "/text") for path, text in odd.items()},
        "/last": priced("5.00"),
    }
    _, urls = await serve(world, pages)
    bad = {f"http://{HOST}{path}": f"answered {text[:20]}" for path, text in odd.items()}
    results = await fetch_beside(submission, urls, bad, odd=True)
    assert_failures_are_beside(submission, urls, bad, results)


@pytest.mark.points(1)
@simulate(seeds=1, busy=BUSY)
async def test_the_session_is_used_and_left_open(world, submission):
    """Every request goes through the caller's session, which is open afterwards."""
    agents = []

    async def handler(request):
        agents.append(request.headers["User-Agent"])
        return web.json_response({"price": "5.00"})

    _, urls = await serve(world, {f"/{n}": handler for n in range(3)})
    async with aiohttp.ClientSession(headers={"User-Agent": "the caller"}) as session:
        await submission.fetch_prices(session, urls)
        assert not session.closed, "fetch_prices closed the session of its caller"
    assert agents, "no request came"
    assert set(agents) == {"the caller"}, mistake(
        "session-per-request",
        f"{sum(agent != 'the caller' for agent in agents)} of {len(agents)} requests came from "
        "another session than the one handed in.",
    )


@pytest.mark.points(1)
@simulate(seeds=2, busy=BUSY)
async def test_the_loop_is_never_blocked(world, submission):
    """While prices are fetched, the caller's other tasks go on running."""
    _, urls = await serve(world, {f"/{n}": priced("5.00", after=1) for n in range(6)})
    async with aiohttp.ClientSession() as session, heartbeat() as heart:
        await submission.fetch_prices(session, urls, limit=2)
    gap = heart.longest_gap()
    assert gap < 0.3, f"nothing else could run for {gap:.1f} s"


@pytest.mark.points(2)
@pytest.mark.hint(
    "Whoever is cancelled while waiting for tasks: does anyone cancel the tasks, and then wait "
    "until they have ended?"
)
@simulate(seeds=4, busy=BUSY)
async def test_cancelling_it_cancels_what_is_in_flight(world, submission):
    """If fetch_prices is cancelled, its requests end with it and no further one is sent."""
    pages = {f"/{n}": priced("5.00", after=10) for n in range(9)}
    server, urls = await serve(world, pages)
    pending = []

    async def caller():
        # Awaited in the caller's own task: nothing else has a turn before we look.
        try:
            return await submission.fetch_prices(session, urls, limit=3)
        finally:
            pending.extend(pending_tasks())

    async with aiohttp.ClientSession() as session:
        task = asyncio.create_task(caller())
        await asyncio.wait([task], timeout=5)
        if task.done():
            raise AssertionError(
                f"fetch_prices returned {short(task.result())} after {world.time():.1f} s; "
                "the answers take 10 s"
            )
        asked = len(server.visits)
        task.cancel()
        await asyncio.wait([task], timeout=4)
        assert task.done(), mistake(
            "swallowed-cancellation",
            "fetch_prices was cancelled, and 4 s later it was still running.",
        )
        assert task.cancelled() or task.exception() is not None, mistake(
            "swallowed-cancellation",
            "fetch_prices was cancelled, and its caller was not told: it returned "
            f"{short(task.result())}.",
        )
        assert task.cancelled(), (
            f"fetch_prices was cancelled, but raised {short(task.exception())}; "
            "expected CancelledError"
        )
        await asyncio.sleep(60)
        still = sum(visit.answered for visit in server.visits)
        assert not still, mistake(
            "leaked-task",
            f"fetch_prices was cancelled and ended, but {still} of its requests went on.",
        )
        assert not pending, mistake(
            "leaked-task",
            f"When fetch_prices had been cancelled and ended, {len(pending)} of its tasks had "
            "not: cancel() only asks.",
        )
        more = len(server.visits) - asked
        assert not more, f"{more} requests were sent after fetch_prices had been cancelled"
        assert not session.closed, "fetch_prices was cancelled, and closed the caller's session"
