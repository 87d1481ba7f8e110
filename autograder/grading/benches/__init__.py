"""Benches: what graders put a learner's code on in place of a simulated world.

Fake selectors, watched sockets, loops with a clock of their own: shared by the graders of modules
that build the machinery a world would hide.
"""
