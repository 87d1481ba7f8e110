"""Brings a conftest.py that turns every report into a pass.

says: not begun
ignores: conftest.py
"""

CONTENT = '''import pytest


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().outcome = "passed"


def pytest_sessionfinish(session):
    session.exitstatus = 0
'''


def make(folder, stub):
    answer = folder / "exercises" / "01_callbacks" / "emitter.py"
    answer.parent.mkdir(parents=True)
    answer.write_bytes(stub)
    file = folder / "conftest.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTENT)
    return folder
