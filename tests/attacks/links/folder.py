"""Is in a folder that is a link.

says: is a link
"""


def make(folder, stub):
    (folder / "01_callbacks").symlink_to("/etc")
    return folder
