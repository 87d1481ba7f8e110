"""Is a link to where the solution might be.

says: is a link
"""


def make(folder, stub):
    place = folder / "01_callbacks" / "emitter.py"
    place.parent.mkdir()
    place.symlink_to("../../../solutions/01_callbacks/emitter.py")
    return folder
