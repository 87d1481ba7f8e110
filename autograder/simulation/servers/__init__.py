"""Simulated servers that speak a real wire protocol, so that real client libraries run on them.

Each is a package of its own that is imported late, by the tests that need it: its protocol's
library is not part of what every run imports.
"""
