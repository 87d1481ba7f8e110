"""Is a zip whose names lead out of the folder it is unpacked in.

says: none of the files
"""

import zipfile


def make(folder, stub):
    file = folder / "answers.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../exercises/01_callbacks/test_emitter.py", "")
        archive.writestr("/exercises/01_callbacks/emitter.py", stub)
    return file
