"""Property-based tests that read calmly: the smallest example that fails, and its own failure."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

EXAMPLES = 150


def for_all(check: Callable[..., None], *, examples: int = EXAMPLES, **strategies: Any) -> None:
    """Call ``check`` with many drawn arguments, the same ones each time that this runs.

    ``strategies`` are of Hypothesis, by the names of the arguments.

    Raises: what ``check`` raised for the smallest arguments for which it raises.
    """
    import hypothesis

    _keep_no_files()
    last: list[Exception] = []

    def attempt(**drawn: Any) -> None:
        try:
            check(**drawn)
        except Exception as error:
            last[:] = [error]
            raise

    settings = hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        verbosity=hypothesis.Verbosity.quiet,
    )
    try:
        settings(hypothesis.given(**strategies)(attempt))()
    except Exception:
        # It ends with the smallest one. (One that fails only now and then is told as it was.)
        if not last:
            raise
    if last:
        last[0].__notes__ = []
        raise last[0]


@functools.cache
def _keep_no_files() -> None:
    """Hypothesis writes what it knows of the modules; not into the learner's folder."""
    from hypothesis import configuration

    home = tempfile.mkdtemp(prefix="hypothesis-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    configuration.set_hypothesis_home_dir(home)
