"""Takes from a submission the files that its learner was to write, and nothing else.

A submission may be a checkout, a folder of stubs, one file, a git ref or a zip. Whatever it is,
only regular files on the course's own list of stubs are read, each under a size limit, and never
through a link; nothing of it is executed or checked out.
"""

from .kinds import CannotRead, NoSubmission, Source
from .sources import open_source
from .taking import MOST_BYTES, Taken, take

__all__ = ["MOST_BYTES", "CannotRead", "NoSubmission", "Source", "Taken", "open_source", "take"]
