"""Brings a sitecustomize.py that ends every Python at its start.

says: not begun
ignores: sitecustomize.py
"""

CONTENT = '''import os

os._exit(0)
'''


def make(folder, stub):
    answer = folder / "exercises" / "01_callbacks" / "emitter.py"
    answer.parent.mkdir(parents=True)
    answer.write_bytes(stub)
    file = folder / "sitecustomize.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTENT)
    return folder
