"""The parent ends with status 0; the child goes on and would report success.

says: exit status 0
"""

import os

if os.fork():
    os._exit(0)
