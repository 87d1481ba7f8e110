"""The connection itself: handshake, names, lists of clients, the wire."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from redis.exceptions import ConnectionError

from .agreement import Desk, contract, error_of, until


class Wire:
    """A connection without a library."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> Wire:
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def line(self) -> bytes:
        async with asyncio.timeout(10):
            return await self._reader.readline()

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@contract
async def test_ping_echo_time(desk: Desk) -> None:
    """The server answers, and tells its time."""
    r = desk.r
    assert await r.ping() is True
    assert await r.echo("hello") == "hello"
    seconds, microseconds = await r.time()
    assert int(seconds) > 1_700_000_000
    assert 0 <= int(microseconds) < 1_000_000


@contract
async def test_hello_says_who_answers(desk: Desk) -> None:
    """HELLO without arguments tells protocol, role and the connection's id."""
    client = desk.client(single_connection_client=True)
    info = await client.execute_command("HELLO")
    if isinstance(info, list):
        info = dict(zip(info[::2], info[1::2], strict=True))
    assert (info["proto"], info["role"], info["mode"]) == (desk.protocol, "master", "standalone")
    assert info["id"] == await client.client_id()
    assert await error_of(client.execute_command("HELLO", 4)) == (
        "NOPROTO unsupported protocol version"
    )


@contract
async def test_clients_have_names(desk: Desk) -> None:
    """A name shows in the list of clients; one with a space is none."""
    client = desk.client(client_name="worker-1", single_connection_client=True)
    assert await client.client_getname() == "worker-1"
    (row,) = [one for one in await desk.r.client_list() if one["name"] == "worker-1"]
    assert int(row["id"]) == await client.client_id()
    assert row["lib-name"].startswith("redis-py")
    assert row["resp"] == str(desk.protocol)
    assert await error_of(client.execute_command("CLIENT", "SETNAME", "a b")) == (
        "Client names cannot contain spaces, newlines or special characters."
    )


@contract
async def test_a_killed_client_is_disconnected(desk: Desk) -> None:
    """CLIENT KILL ends a connection; the pool makes a new one."""
    client = desk.client(single_connection_client=True)
    number = await client.client_id()
    assert await desk.r.client_kill_filter(_id=str(number)) == 1
    with pytest.raises(ConnectionError):
        await client.ping()
    assert await desk.client().ping() is True
    assert await error_of(desk.r.client_kill("10.9.8.7:6")) == "No such client"


@contract
async def test_clients_are_counted(desk: Desk) -> None:
    """INFO counts who is connected, and who waits."""
    before = int((await desk.r.info("clients"))["connected_clients"])
    client = desk.client(single_connection_client=True)
    await client.ping()
    assert int((await desk.r.info("clients"))["connected_clients"]) == before + 1
    await client.aclose()

    async def is_gone() -> bool:
        return int((await desk.r.info("clients"))["connected_clients"]) == before

    await until(is_gone)


@contract
@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("CLIENT SPICE", "unknown subcommand 'SPICE'. Try CLIENT HELP."),
        ("CLIENT SETNAME", "wrong number of arguments for 'client|setname' command"),
        ("CLIENT SETINFO COLOUR red", "Unrecognized option 'COLOUR'"),
        ("CLIENT KILL TYPE spice", "Unknown client type 'spice'"),
        ("CONFIG SET spice 1", "Unknown option or number of arguments for CONFIG SET - 'spice'"),
        ("AUTH bob secret", "invalid username-password pair or user is disabled."),
        ("ECHO", "wrong number of arguments for 'echo' command"),
        ("GET a b", "wrong number of arguments for 'get' command"),
    ],
)
async def test_what_connections_refuse(desk: Desk, command: str, error: str) -> None:
    """The errors of words and subcommands that are none."""
    assert await error_of(desk.r.execute_command(*command.split())) == error


@contract
async def test_many_clients_at_once(desk: Desk) -> None:
    """A pool opens as many connections as it has to, and all of them count right."""
    client = desk.client(max_connections=20)
    assert sorted(await asyncio.gather(*(client.incr("n") for _ in range(20)))) == list(
        range(1, 21)
    )


@contract
async def test_quit_and_reset(desk: Desk) -> None:
    """QUIT ends a connection, RESET begins it anew."""
    client = desk.client(single_connection_client=True, client_name="ada")
    assert await client.client_getname() == "ada"
    wire = await Wire.to(desk.url)
    wire.send(b"RESET\r\n")
    assert await wire.line() == b"+RESET\r\n"
    wire.send(b"QUIT\r\nPING\r\n")
    assert await wire.line() == b"+OK\r\n"
    assert await wire.line() == b""
    await wire.close()


@contract
async def test_commands_typed_by_hand(desk: Desk) -> None:
    """A line of words is a command too, and requests may come in any pieces."""
    wire = await Wire.to(desk.url)
    wire.send(b"PING\r\n")
    assert await wire.line() == b"+PONG\r\n"
    for piece in (b"*2\r\n$4\r", b"\nEC", b"HO\r\n$2\r\nh", b"i\r\n*1\r\n$4\r\nPI", b"NG\r\n"):
        wire.send(piece)
        await asyncio.sleep(0.01)
    assert [await wire.line() for _ in range(3)] == [b"$2\r\n", b"hi\r\n", b"+PONG\r\n"]
    await wire.close()


@contract
@pytest.mark.parametrize(
    ("garbage", "error"),
    [
        (b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
        (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$x\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    ],
)
async def test_what_is_no_protocol_ends_the_connection(
    desk: Desk, garbage: bytes, error: bytes
) -> None:
    """The server says what is wrong and hangs up."""
    wire = await Wire.to(desk.url)
    wire.send(garbage)
    assert await wire.line() == error
    assert await wire.line() == b""
    await wire.close()


@contract
async def test_replies_can_be_turned_off(desk: Desk) -> None:
    """CLIENT REPLY OFF and SKIP: nothing is answered, and all is done."""
    wire = await Wire.to(desk.url)
    database = urlsplit(desk.url).path[1:]
    wire.send(f"SELECT {database}\r\nCLIENT REPLY SKIP\r\nINCR n\r\nINCR n\r\n".encode())
    assert await wire.line() == b"+OK\r\n"
    assert await wire.line() == b":2\r\n"
    wire.send(b"CLIENT REPLY OFF\r\nINCR n\r\nCLIENT REPLY ON\r\n")
    assert await wire.line() == b"+OK\r\n"
    assert await desk.r.get("n") == "3"
    await wire.close()
