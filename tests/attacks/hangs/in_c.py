"""Hangs in C, where no exception can be raised: a regular expression that never ends.

seconds: 6
"""

import re

re.match("(a+)+$", "a" * 64 + "b")
