"""Has pytest call no test at all.

voided: yes
"""

from _pytest.python import Function

Function.runtest = lambda self: None
