"""Computes a number that takes hours to print.

seconds: 6
"""

VALUE = str(3 ** (10**9))
