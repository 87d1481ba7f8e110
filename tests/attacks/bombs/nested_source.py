"""Is a source so deeply nested that a parser may crash.

says: could not be read
"""


def make(folder, stub):
    (folder / "01_callbacks").mkdir()
    nested = "(" * 100_000 + ")" * 100_000
    (folder / "01_callbacks" / "emitter.py").write_text(f"X = {nested}\n")
    return folder
