"""Is a file of many megabytes.

says: bytes; at most
"""


def make(folder, stub):
    (folder / "01_callbacks").mkdir()
    (folder / "01_callbacks" / "emitter.py").write_bytes(b"x = 1\n" * 5_000_000)
    return folder
