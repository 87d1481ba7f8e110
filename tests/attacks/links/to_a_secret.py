"""Is a link to a file of the machine, to have it quoted in an error.

says: is a link
"""


def make(folder, stub):
    place = folder / "01_callbacks" / "emitter.py"
    place.parent.mkdir()
    place.symlink_to("/etc/passwd")
    return folder
