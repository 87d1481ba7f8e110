"""The commands, a module for each kind of value."""

from __future__ import annotations

from . import (
    client,
    counters,
    expiry,
    groups,
    hashes,
    keys,
    lists,
    pubsub,
    scripts,
    server,
    sets,
    sorted_sets,
    stream_info,
    stream_reads,
    streams,
    strings,
    transactions,
    zranges,
)
from .table import TABLE

__all__ = ["TABLE"]

_MODULES = (
    client, counters, expiry, groups, hashes, keys, lists, pubsub, scripts, server, sets,
    sorted_sets, stream_info, stream_reads, streams, strings, transactions, zranges,
)  # fmt: skip
"""Importing them has filled the table."""
