"""Is a zip in which the answer is a link.

says: is a link
"""

import stat
import zipfile


def make(folder, stub):
    file = folder / "answers.zip"
    info = zipfile.ZipInfo("01_callbacks/emitter.py")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return file
