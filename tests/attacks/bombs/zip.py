"""Is a small zip of a file that is very large when it is unpacked.

says: bytes; at most|more than
"""

import zipfile


def make(folder, stub):
    file = folder / "answers.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("01_callbacks/emitter.py", b"#" * (200 * 1024 * 1024))
    return file
