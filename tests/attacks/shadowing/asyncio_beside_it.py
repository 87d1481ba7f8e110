"""Brings an asyncio.py beside its answer, which everybody would import.

says: not begun
"""


def make(folder, stub):
    module = folder / "exercises" / "01_callbacks"
    module.mkdir(parents=True)
    (module / "emitter.py").write_bytes(stub)
    for name in ("asyncio.py", "pytest.py", "autograder.py", "json.py"):
        (module / name).write_text("import os\nos._exit(0)\n")
    return folder
