"""Grades one exercise in a child process that can neither forge nor outlive its verdict.

`outside` is the trusted side: it prepares a room (`room`), starts a child in it (`sandbox`, within
`limits`), and reads what the child tells over an authenticated pipe (`channel`). `inside` is the
child: pytest with the trusted grader, which imports the submission last.
"""
