"""Replaces the tests by one that passes.

says: not begun
ignores: exercises/01_callbacks/test_emitter.py
"""

CONTENT = '''def test_everything(submission):
    """It is perfect."""
'''


def make(folder, stub):
    answer = folder / "exercises" / "01_callbacks" / "emitter.py"
    answer.parent.mkdir(parents=True)
    answer.write_bytes(stub)
    file = folder / "exercises/01_callbacks/test_emitter.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTENT)
    return folder
