"""A server from `compose.yaml`, for people who have Docker.

`docker compose up` runs in the foreground, so that the keeper stops it like any other program; a
project name of its own keeps it apart from what a person starts with the same file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from . import looking
from .model import Plan, Step, Way

COMPOSE_FILE = Path(__file__).resolve().parents[2] / "compose.yaml"


def container(name: str, more: dict[str, int] | None = None, startup: float = 300) -> Way:
    """The way to start the service of this name in `compose.yaml`; its image is fetched first.

    more: other ports of the server, by the name of their address.
    """

    def plan(port: int, folder: Path) -> Plan:
        ports = {key: looking.free_port() for key in more or {}}
        variables = {f"COURSE_{name}_PORT".upper(): str(port)}
        variables.update({f"COURSE_{name}_{key}_PORT".upper(): str(n) for key, n in ports.items()})
        compose = ["docker", "compose", "--file", str(COMPOSE_FILE), "--project-name", folder.name]
        return Plan(
            steps=[Step([*compose, "up", "--abort-on-container-exit", name], patience=20)],
            folder=str(folder),
            env=variables,
            afterwards=[[*compose, "down", "--volumes", "--timeout", "2"]],
            more={key: f"http://127.0.0.1:{n}" for key, n in ports.items()},
        )

    return Way("Docker", here, plan, "start Docker", startup)


@cache
def here() -> bool:
    """Whether there is a Docker that runs, with Compose, and the file that says what to start."""
    if not COMPOSE_FILE.is_file() or looking.program("docker") is None:
        return False
    return all(looking.succeeds(["docker", *words]) for words in (["compose", "version"], ["info"]))
