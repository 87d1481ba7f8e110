"""Says calmly what is missing when pytest was started with the wrong Python.

Written for any Python 3, so that an old one gets as far as the sentence that it is too old.
"""

import sys

import pytest


def pytest_configure(config):
    problem = None
    if sys.version_info < (3, 11):  # noqa: UP036
        mine = ".".join(map(str, sys.version_info[:2]))
        problem = f"The course needs Python 3.11 or newer, and this is Python {mine}."
    elif not config.pluginmanager.has_plugin("autograder"):
        problem = f"The course is not installed in the Python that runs here, {sys.executable}."
    if problem:
        raise pytest.UsageError(
            problem + " `make` sets everything up in .venv; then type: . .venv/bin/activate"
        )
