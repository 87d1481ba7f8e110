"""Brings a package where the answer is expected: it might be imported instead.

says: not a regular file
"""


def make(folder, stub):
    package = folder / "exercises" / "01_callbacks" / "emitter.py"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("import os\nos._exit(0)\n")
    return folder
