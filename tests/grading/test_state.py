"""A module is executed again for the next world unless its state provably stayed as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from autograder.grading.submission import Copies, Submission
from autograder.grading.tree import Exercise

Make = Callable[[str], Submission]


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Makes a submission of a source; it counts its executions in `executed`."""
    entered: list[Copies] = []

    def make(source: str) -> Submission:
        path = tmp_path / "answer.py"
        path.write_text(dedent(source), "utf-8")
        copies = Copies(Exercise("03_async_await", "answer"), path)
        copies.enter()
        assert copies.complaint is None, copies.complaint
        entered.append(copies)
        return Submission(copies, copies.name)

    yield make
    for copies in entered:
        copies.leave()


def worlds(
    submission: Submission,
    use: Callable[[Any], object],
    count: int = 6,
    start: Callable[[Submission], object] = Submission.renew,
) -> int:
    """Use a submission in some worlds, or processes; how many different modules they saw."""
    seen = []
    for _ in range(count):
        start(submission)
        seen.append(submission._copies.module(submission._name))
        use(submission)
    return len({id(module) for module in seen})


def nothing(submission: Any) -> None:
    """Use nothing."""


PLAIN = {
    "functions": """
        import asyncio, json, logging, re
        from collections.abc import Awaitable, Callable, Sequence
        from functools import partial, wraps
        from typing import Any, TypeVar
        T = TypeVar("T")
        Fetch = Callable[[str], Awaitable[int]]
        log = logging.getLogger(__name__)
        WORD = re.compile("[a-z]+")
        LIMIT, NAMES, TABLE = 10, ("a", "b"), {"usd": 1.0, "eur": [1, 2]}
        SET = frozenset({1, 2})
        def f(x: int = 3, *, y: str = "z") -> int: return x
        g = partial(f, 4)
        async def h(): return [x async for x in None]
        """,
    "decorated": """
        from contextlib import asynccontextmanager
        from functools import wraps
        def twice(f):
            @wraps(f)
            def inner(*args): return f(*args), f(*args)
            return inner
        @twice
        def f(x): return x
        @asynccontextmanager
        async def cm(): yield 1
        """,
    "classes": """
        from __future__ import annotations
        import abc, enum
        from dataclasses import dataclass, field
        from functools import cached_property
        from typing import NamedTuple, Protocol
        class Color(enum.Enum):
            RED = 1
            BLUE = "b"
        class Level(enum.IntEnum):
            LOW = 1
        @dataclass(frozen=True, slots=True)
        class Price:
            url: str
            tags: list[str] = field(default_factory=list)
        @dataclass
        class Loose:
            count: int = 0
            def grow(self): self.count += 1
        class Pair(NamedTuple):
            a: int
            b: int = 2
        class Base(abc.ABC):
            @abc.abstractmethod
            def f(self): ...
        class Shape(Protocol):
            def area(self) -> float: ...
        class Error(Exception):
            "It went wrong."
        class Shop:
            shops = ()
            def __init__(self): self.stock = {}
            @property
            def size(self): return len(self.stock)
            @cached_property
            def late(self): return 1
            @staticmethod
            def s(): return 1
            @classmethod
            def c(cls): return cls
        UNKNOWN = object()
        DEFAULT = Price("x")
        """,
}


@pytest.mark.parametrize("source", PLAIN.values(), ids=list(PLAIN))
def test_a_plain_module_is_executed_no_more_than_twice(make: Make, source: str) -> None:
    def use(submission: Any) -> None:
        if hasattr(submission, "Shop"):
            submission.Shop().stock["a"] = submission.Loose().grow()
            assert submission.Color("b") is submission.Color.BLUE
        if hasattr(submission, "h"):
            submission.h().close()

    assert worlds(make(source), use) == 2


@pytest.mark.parametrize("source", PLAIN.values(), ids=list(PLAIN))
def test_processes_that_are_started_again_share_nothing_and_are_kept(
    make: Make, source: str
) -> None:
    submission, seen = make(source), []
    for _ in range(6):
        modules = [
            start(submission)._copies.module(submission._name)
            for start in (Submission.renew, Submission.restart, Submission.restart)
        ]
        assert len({*map(id, modules)}) == 3
        seen += modules
    assert len({*map(id, seen)}) <= 4, "each is executed anew only until that is known to be alike"


CHANGES: dict[str, tuple[str, str]] = {
    "list": ("seen = []", "seen.append(1)"),
    "dict": ("seen = {}", "seen['a'] = 1"),
    "nested": ("seen = {'a': [[]]}", "seen['a'][0].append(1)"),
    "set": ("seen = set()", "seen.add(1)"),
    "replaced by an equal one": ("seen = [1000.5]", "seen[0] = float('1000.5')"),
    "bytearray": ("seen = bytearray(b'a')", "seen[0] = 98"),
    "deque": ("from collections import deque; seen = deque()", "seen.append(1)"),
    "default dict": ("from collections import defaultdict; d = defaultdict(list)", "d['a']"),
    "counter": ("from collections import Counter; c = Counter()", "c['a'] += 1"),
    "name": ("count = 0", "globals_()['count'] = 1"),
    "new name": ("", "globals_()['count'] = 1"),
    "attribute of a function": ("def f(): pass", "f.calls = 1"),
    "mutable default": ("def f(x, seen=[]): seen.append(x)", "f(1)"),
    "default of a lambda": ("f = lambda x, seen={}: seen.update(x=x)", "f(1)"),
    "class attribute": ("class A:\n    count = 0", "A.count = 1"),
    "mutable class attribute": ("class A:\n    seen = []", "A().seen.append(1)"),
    "class attribute of a base": ("class A: n = 0\nclass B(A): pass\ndel A", "B.__base__.n = 1"),
    "field that is shared": (
        "import asyncio\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass A:\n    lock: asyncio.Lock = asyncio.Lock()",
        "A().lock._locked = True",
    ),
    "instance": ("class A:\n    def __init__(self): self.n = 0\na = A()", "a.n = 1"),
    "slots": ("class A:\n    __slots__ = ('n',)\na = A()", "a.n = 1"),
    "dict with attributes": ("class D(dict): pass\nd = D()", "d.n = 1"),
    "dict by inheritance": ("class D(dict): pass\nd = D()", "d['n'] = 1"),
    "exception": ("e = ValueError()", "e.args = (1,)"),
    "closure": (
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n"
        "    return up\nup = make()",
        "up()",
    ),
    "bound method": ("class A: pass\na = [].append", "a(1)"),
    "lock": ("import asyncio; lock = asyncio.Lock()", "asyncio_run(lock.acquire())"),
    "event": ("import asyncio; e = asyncio.Event()", "e.set()"),
    "queue": ("import asyncio; q = asyncio.Queue()", "q.put_nowait(1)"),
    "itertools": ("import itertools; ids = itertools.count()", "next(ids)"),
    "iterator": ("ids = iter([1, 2])", "next(ids, None)"),
    "cache": ("import functools\n@functools.cache\ndef f(x): return x", "f(1)"),
    "context variable": ("from contextvars import ContextVar; v = ContextVar('v')", "v.set(1)"),
    "thread local": ("import threading; t = threading.local()", "t.x = 1"),
    "generator": ("g = (x for x in [1, 2])", "next(g, None)"),
}


@pytest.mark.parametrize(("source", "change"), CHANGES.values(), ids=list(CHANGES))
def test_whatever_was_changed_is_renewed(make: Make, source: str, change: str) -> None:
    def use(submission: Any) -> None:
        module = submission._copies.module(submission._name)
        helpers = {"globals_": lambda: vars(module), "asyncio_run": asyncio.run}
        assert not vars(module).get("count"), "what another world left behind"
        exec(change, {**vars(module), **helpers})

    submission = make(source)
    assert worlds(submission, use) == 6
    assert worlds(submission, use, start=Submission.restart) == 6


def test_a_module_that_is_different_every_time_is_always_executed(make: Make) -> None:
    submission = make("import random\nRUN = random.random()")
    assert worlds(submission, nothing) == 6


def test_a_random_number_that_is_not_kept_counts_too(make: Make) -> None:
    submission = make("import random\nHEADS = random.random() < 2.0")
    assert worlds(submission, nothing) == 6


def test_a_world_that_changes_nothing_after_one_that_did_is_left_alone(make: Make) -> None:
    submission = make("seen = []")
    assert worlds(submission, nothing) == 2
    submission.renew()
    before = submission.seen
    submission.seen.append(1)
    submission.renew()
    assert submission.seen == []
    assert submission.seen is not before


def test_what_a_library_holds_is_not_looked_at(make: Make) -> None:
    submission = make("from os.path import join\nfrom urllib.parse import *\nimport json")
    assert worlds(submission, nothing) == 2


def test_an_object_that_cannot_be_looked_at_is_harmless(make: Make) -> None:
    submission = make(
        """
        class Odd:
            def __getattribute__(self, name): raise RuntimeError(name)
            def __eq__(self, other): raise RuntimeError
        odd = Odd()
        """
    )
    assert worlds(submission, nothing) in (2, 6)


def test_the_next_test_goes_on_with_what_did_not_change(make: Make) -> None:
    submission = make("seen = []\nname = 'x'")
    copies = submission._copies
    worlds(submission, nothing)
    before = copies.module(submission._name)
    copies.leave()
    copies.enter()
    assert copies.module(submission._name) is not before, "outside of worlds it is always new"
    submission.renew()
    assert copies.module(submission._name) is before
    submission.seen.append(1)
    copies.leave()
    copies.enter()
    submission.renew()
    assert submission.seen == []
