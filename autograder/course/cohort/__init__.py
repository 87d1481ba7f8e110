"""Grades many submissions: an interruption loses nothing; what has not changed is not redone."""
