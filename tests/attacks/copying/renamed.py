"""Is the reference solution with other names: it earns what it earns, and is flagged.

earns: all
flagged: yes
"""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def make(folder, stub):
    source = (ROOT / "solutions" / "01_callbacks" / "emitter.py").read_text()
    answer = folder / "01_callbacks" / "emitter.py"
    answer.parent.mkdir()
    renamed = ast.unparse(ast.parse(source)).replace("handlers", "listeners_of_mine")
    answer.write_text(renamed)
    return folder
