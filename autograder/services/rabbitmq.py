"""RabbitMQ. Its management API makes the virtual hosts that tests get."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from . import looking
from .docker import container
from .model import Namespace, NoAnswer, Plan, Server, Service, Step, Unusable, Way

_MANAGEMENT = 15672
_SCRIPTS = ("/usr/lib/rabbitmq/bin/rabbitmq-server",)  # Debian's in /usr/sbin insist on root
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_CONFIG = """\
listeners.tcp.1 = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
management_agent.disable_metrics_collector = true
log.console = true
log.file = false
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 512MB
"""


def address(port: int) -> str:
    """The virtual host "/" of the RabbitMQ on this port, as its guest."""
    return f"amqp://guest:guest@127.0.0.1:{port}/"


def ping(where: str) -> None:
    """Return once we have logged in to the RabbitMQ at this address and opened its virtual host.

    Raises:
        NoAnswer: that failed.
    """
    looking.reach(where, 5672)
    aiormq: Any = import_module("aiormq")

    async def log_in() -> None:
        connection = await aiormq.connect(where)
        await connection.close()

    try:
        looking.apart(log_in)
    except (aiormq.exceptions.AMQPError, OSError, ValueError, EOFError) as error:
        raise NoAnswer(looking.reason(error)) from None


@contextmanager
def namespace(service: Service) -> Iterator[Namespace]:
    """A virtual host of one's own, which is deleted afterwards.

    Raises:
        Unusable: the server has no management API that could make one.
    """
    parts = urlsplit(service.address)
    api = service.more.get("management") or f"http://{parts.hostname}:{_MANAGEMENT}"
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    name = looking.unique()

    def ask(method: str, path: str, body: dict[str, str] | None = None) -> None:
        request = urllib.request.Request(f"{api}/api/{path}", method=method)
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body or {}).encode()
        with _WITHOUT_PROXY.open(request, timeout=30):
            pass

    try:
        ask("PUT", f"vhosts/{name}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        ask("PUT", f"permissions/{name}/{quote(user, safe='')}", everything)
    except OSError as error:
        raise Unusable(
            f"The RabbitMQ at {parts.hostname}:{parts.port} has no management API at {api} that "
            f"would make a virtual host for a test ({error}). Enable it (rabbitmq-plugins enable "
            "rabbitmq_management), or stop that server, and the course starts one of its own."
        ) from None
    try:
        yield Namespace(urlunsplit(parts._replace(path=f"/{name}")), name)
    finally:
        with suppress(OSError):
            ask("DELETE", f"vhosts/{name}")


def plan(binary: str, epmd: str, port: int, folder: Path) -> Plan:
    """A node with a base folder, ports and an epmd of its own, all for this machine only.

    epmd, the process in which Erlang's nodes find each other, would become a daemon if the node
    had to start it: so it is started first, in the foreground, and ends with the node.
    """
    between_nodes, names = looking.free_port(), looking.free_port()
    usual = port == 5672 and looking.is_free(_MANAGEMENT)
    management = _MANAGEMENT if usual else looking.free_port()
    env = {
        "HOME": str(folder),  # for the cookie that Erlang writes there
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"course{port}@localhost",
        "RABBITMQ_DIST_PORT": str(between_nodes),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none"
        ),
    }
    return Plan(
        steps=[
            Step([epmd, "-address", "127.0.0.1", "-port", str(names)], port=names),
            Step([binary], polite="SIGKILL"),  # nothing of it is kept: stopping takes seconds
        ],
        folder=str(folder),
        files={
            "rabbitmq.conf": _CONFIG.format(port=port, management=management),
            "plugins": "[rabbitmq_management].\n",
        },
        env=env,
        more={"management": f"http://127.0.0.1:{management}"},
    )


def _programs() -> tuple[str, str] | None:
    server = looking.program(*_SCRIPTS, "rabbitmq-server")
    epmd = looking.program("epmd")
    return (server, epmd) if server and epmd else None


def _package(port: int, folder: Path) -> Plan:
    server, epmd = _programs() or ("", "")
    return plan(server, epmd, port, folder)


SERVER = Server(
    name="rabbitmq",
    title="RabbitMQ",
    variable="AMQP_URL",
    port=5672,
    modules=(9,),
    address=address,
    ping=ping,
    ways=(
        container("rabbitmq", more={"management": 15672}, startup=600),
        Way(
            "the system's package",
            lambda: _programs() is not None,
            _package,
            looking.system_package("rabbitmq-server", "rabbitmq"),
            startup=120,
        ),
    ),
    namespace=namespace,
    clients=("aio_pika",),
)
