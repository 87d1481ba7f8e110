"""Brings a pytest.ini that only collects: nothing fails.

says: not begun
ignores: pytest.ini
"""

CONTENT = '''[pytest]
addopts = --collect-only
'''


def make(folder, stub):
    answer = folder / "exercises" / "01_callbacks" / "emitter.py"
    answer.parent.mkdir(parents=True)
    answer.write_bytes(stub)
    file = folder / "pytest.ini"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTENT)
    return folder
