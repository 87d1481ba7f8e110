"""Import all that a grading run imports. The fork server of `course watch` does so once.

Importing this module is the point of it: each run is a fork of a process that has it already.
"""

import contextlib
import gc
from importlib import import_module
from importlib.metadata import entry_points

from _pytest.config import default_plugins

MODULES = (
    *(f"_pytest.{name}" for name in default_plugins),
    "_pytest.assertion.rewrite",
    "aiohttp.web",
    "asyncio",
    "bs4",
    "pygments.formatters.terminal",
    "pygments.lexers.python",
    "autograder.simulation.explore",
    "autograder.simulation.network",
    "autograder.simulation.simulate",
)

for _name in MODULES:
    with contextlib.suppress(ImportError):
        import_module(_name)
for _plugin in entry_points(group="pytest11"):
    with contextlib.suppress(ImportError):
        _plugin.load()

gc.collect()
gc.freeze()  # the forks need not look through any of this when they collect
