"""Is a zip whose second half is missing.

says: not a readable zip
"""

import zipfile


def make(folder, stub):
    file = folder / "answers.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("01_callbacks/emitter.py", stub)
    file.write_bytes(file.read_bytes()[:60])
    return file
