"""The servers that live runs use: which are here, and how to get the others."""

from pathlib import Path

from autograder.course.doctor.finding import Finding
from autograder.services.catalogue import SERVERS
from autograder.services.keeping import Standing, standing


def check_servers(modules: set[int], state: Path) -> list[Finding]:
    """Return a finding for each server that one of these modules can use.

    state: the folder in which `course services up` notes what it started.
    """
    servers = [server for server in SERVERS.values() if modules & set(server.modules)]
    return [finding(standing(server, state)) for server in servers]


def finding(it: Standing) -> Finding:
    """What there is to say about one server."""
    title = it.server.title
    if it.state == "runs":
        return Finding(title, "ok", f"runs, {it.address} ({it.detail})")
    if it.state == "startable":
        return Finding(title, "ok", f"can be started from {it.detail}")
    if it.state == "wrong":
        return Finding(title, "missing", f"{it.server.variable} leads nowhere", it.detail)
    return Finding(title, "absent", "only for --live", f"{title}: {'; or '.join(it.remedies)}")
