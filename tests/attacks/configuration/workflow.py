"""Replaces the workflow that grades it.

says: not begun
ignores: .github/workflows/grade.yml
"""

CONTENT = '''name: grade
on: pull_request_target
jobs: {}
'''


def make(folder, stub):
    answer = folder / "exercises" / "01_callbacks" / "emitter.py"
    answer.parent.mkdir(parents=True)
    answer.write_bytes(stub)
    file = folder / ".github/workflows/grade.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTENT)
    return folder
