"""The servers that the contract is checked on."""

from __future__ import annotations

import base64
import os
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest


@pytest.fixture
def amqp_url() -> Iterator[str]:
    """The address of a virtual host with nothing in it, on a real RabbitMQ."""
    address = os.environ.get("AMQP_URL")
    if not address:
        pytest.skip("RabbitMQ is not here: set AMQP_URL to the address of one that is running")
    parts = urlsplit(address)
    vhost = f"contract-{uuid4().hex[:8]}"
    api = f"http://{parts.hostname}:{(parts.port or 5672) + 10_000}/api"
    _ask("PUT", f"{api}/vhosts/{vhost}")
    yield f"amqp://guest:guest@{parts.hostname}:{parts.port}/{vhost}"
    _ask("DELETE", f"{api}/vhosts/{vhost}")


def _ask(method: str, url: str) -> None:
    credentials = base64.b64encode(b"guest:guest").decode()
    headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers)):
        pass
