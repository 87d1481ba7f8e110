"""Grades apply_once of exactly_once.py, in simulated worlds; test_exactly_once_transform.py grades
transform."""

import asyncio

import pytest

from autograder.grading import mistake
from autograder.grading.benches.ledger import Ledger, make_ledger
from autograder.simulation import simulate


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A ledger with empty tables; making one takes longer than copying it."""
    return make_ledger(tmp_path_factory.mktemp("ledger") / "bank.db")


@pytest.fixture
def ledger(template, tmp_path):
    """Makes ledgers, each a file of its own."""
    made = []

    def make(*accounts):
        made.append(tmp_path / f"{len(made)}.db")
        return Ledger(template, made[-1], *accounts)

    return make


def pay(submission, payment_id="p-1", account="ada", cents=500, place=(0, 7)):
    """A payment, read at a place of the topic."""
    return submission.Payment(payment_id, account, cents, *place)


def check_once(bank, said, cents=500, name="not-idempotent"):
    """Payment p-1 is booked to ada once. ``said`` is what had happened."""
    entries, balance = bank.entries("p-1"), bank.balance("ada")
    twice = len(entries) > 1 or (balance or 0) > cents
    told = f"{said}. Its entries are {entries}, and ada has {balance} cents instead of {cents}."
    if name == "dedup-after-effect":
        assert not twice, mistake("dedup-after-effect", told)
    elif name == "dedup-by-offset":
        assert not twice, mistake("dedup-by-offset", told)
    else:
        assert not twice, mistake("not-idempotent", told)
    assert entries == [("ada", cents)], f"{said}. Its entries are {entries}"
    assert balance == cents, f"{said}. It has its entry, and ada has {balance} cents, not {cents}"


@pytest.mark.points(1)
@simulate(seeds=3)
async def test_payments_are_booked(world, submission, ledger):
    """Each payment adds an entry, and its cents to the balance; the answer is True."""
    bank = ledger("ada", "bob")
    payments = [
        pay(submission),
        pay(submission, "p-2", "bob", 70, (0, 8)),
        pay(submission, "p-3", "ada", 500, (1, 7)),
    ]
    answers = [await submission.apply_once(bank.path, payment) for payment in payments]
    assert answers == [True] * 3, f"three payments were booked, and the answers are {answers}"
    for payment in payments:
        entries = bank.entries(payment.payment_id)
        expected = [(payment.account, payment.cents)]
        assert entries == expected, f"of {payment.payment_id}, entries has {entries}"
    balances = {name: bank.balance(name) for name in ("ada", "bob")}
    assert balances == {"ada": 1000, "bob": 70}, (
        f"ada was paid 500 cents twice, by two payments, and bob 70: accounts has {balances}"
    )


@pytest.mark.points(2)
@pytest.mark.hint("What is the same when the sender sends it again? Not the offset.")
@simulate(seeds=3)
async def test_a_payment_that_comes_again_is_booked_once(world, submission, ledger):
    """A payment that was read again, or sent again, is not booked again; the answer is False."""
    bank = ledger("ada")
    first = await submission.apply_once(bank.path, pay(submission))
    again = await submission.apply_once(bank.path, pay(submission))
    check_once(bank, "A payment was read twice, at the same offset")
    elsewhere = await submission.apply_once(bank.path, pay(submission, place=(0, 9)))
    other = await submission.apply_once(bank.path, pay(submission, place=(3, 7)))
    said = "The sender was in doubt and sent a payment again: the same payment_id, another offset"
    check_once(bank, said, name="dedup-by-offset")
    answers = [first, again, elsewhere, other]
    assert answers == [True, False, False, False], (
        f"one payment was applied four times, and the answers are {answers}"
    )


@pytest.mark.points(3)
@pytest.mark.hint("Which statement of yours tells the second worker that it is the second?")
@simulate(seeds=10)
async def test_two_at_one_moment_book_it_once(world, submission, ledger):
    """Two workers that have the same payment at the same moment book it once, and both return."""
    bank = ledger("ada", "bob")
    calls = [
        submission.apply_once(bank.path, pay(submission)),
        submission.apply_once(bank.path, pay(submission)),
        submission.apply_once(bank.path, pay(submission, "p-2", "bob", 70, (1, 3))),
    ]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    check_once(bank, "Two workers had the same payment at the same moment")
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    assert sorted(answers[:2]) == [False, True], (
        f"two workers had the same payment; their answers are {answers[:2]}"
    )
    assert bank.balance("bob") == 70, f"bob was paid 70 cents meanwhile; has {bank.balance('bob')}"


@pytest.mark.points(1)
@pytest.mark.hint("Who reads a balance and writes it back has to know that nobody wrote meanwhile.")
@simulate(seeds=10)
async def test_two_payments_of_one_account_both_count(world, submission, ledger):
    """Two payments of one account, booked at the same moment, both count."""
    bank = ledger("ada")
    answers = await asyncio.gather(
        submission.apply_once(bank.path, pay(submission)),
        submission.apply_once(bank.path, pay(submission, "p-2", "ada", 70, (1, 3))),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    entries, balance = bank.entries("p-1") + bank.entries("p-2"), bank.balance("ada")
    assert entries == [("ada", 500), ("ada", 70)], (
        f"two payments were booked: entries has {entries}"
    )
    assert balance not in (500, 70), mistake(
        "check-then-act",
        f"ada was paid 500 and 70 cents at the same moment. Both have their entry, and her account "
        f"has {balance} cents: one was added to what she had before the other.",
    )
    assert balance == 570, f"ada was paid 500 and 70 cents at the same moment, and has {balance}"


@pytest.mark.points(3)
@pytest.mark.hint("How many commits are there between the first statement and the last?")
@simulate(seeds=1, at_every_await=True)
async def test_killed_anywhere_it_is_booked_once(world, submission, ledger):
    """If apply_once is killed, at whichever await, and called again, the payment is booked once."""
    bank = ledger("ada")
    outcome = await world.killed(submission.apply_once(bank.path, pay(submission)), "worker")
    entries, balance, known = bank.entries("p-1"), bank.balance("ada"), bank.remembers("p-1")
    submission.restart()
    answer = await submission.apply_once(bank.path, pay(submission))
    said = "A worker was killed, and another one was given its payment"
    told = said if outcome.fired else "All went well"
    assert bank.entries("p-1") or not known, mistake(
        "id-without-effect",
        f"{told}: the payment's id was in `applied`, it had no entry, and it never got one.",
    )
    assert bank.entries("p-1") or answer is not False, (
        f"{told}, and the answer was False: neither `entries` nor `applied` knew of it. What a "
        "worker remembers for itself dies with it."
    )
    check_once(bank, told, name="dedup-after-effect")
    had = bool(entries) and balance == 500
    assert answer is not had, (
        f"{told}; {'it had been' if had else 'it had not been'} booked, and the answer is {answer}"
    )


@pytest.mark.points(1)
@simulate(seeds=1, at_every_await=True)
async def test_cancelled_anywhere_it_is_booked_once(world, submission, ledger):
    """If apply_once is cancelled, at whichever await, the payment is booked whole or not at all."""
    bank = ledger("ada")
    await world.interrupted(submission.apply_once(bank.path, pay(submission)))
    known = bank.remembers("p-1")
    await submission.apply_once(bank.path, pay(submission))
    said = "A call was cancelled, and another one was given its payment"
    assert bank.entries("p-1") or not known, mistake(
        "id-without-effect",
        f"{said}: the payment's id was in `applied`, it had no entry, and it never got one.",
    )
    check_once(bank, said, name="dedup-after-effect")


@pytest.mark.points(2)
@simulate(seeds=3)
async def test_without_an_account_nothing_is_written(world, submission, ledger):
    """If there is no such account, UnknownAccount is raised; the payment can be booked later."""
    bank = ledger("bob")
    try:
        answer = await submission.apply_once(bank.path, pay(submission))
    except submission.UnknownAccount:
        pass
    else:
        raise AssertionError(f"there is no account of ada, and apply_once returned {answer!r}")
    assert not bank.entries("p-1"), "there is no account of ada, and the payment has an entry"
    assert bank.balance("ada") is None, "there was no account of ada, and now there is one"
    bank.open("ada")
    answer = await submission.apply_once(bank.path, pay(submission))
    assert answer or bank.entries("p-1"), mistake(
        "id-without-effect",
        "There was no account, and UnknownAccount was raised. Then there was one, and the payment "
        "was taken for booked: its id had been kept.",
    )
    check_once(bank, "A payment could not be booked at first, since there was no account")
    assert answer is True, f"it was booked by the second call, and the answer is {answer!r}"
