"""No classes: dicts and closures, a deque and a future for each connection, and its own pings."""

import asyncio
import collections
import contextlib
import json

import websockets.asyncio.server
import websockets.exceptions


@contextlib.asynccontextmanager
async def serve_chat(host, port, *, history=50, backlog=100, heartbeat=20.0):
    rooms = collections.defaultdict(lambda: {"there": {}, "said": [], "last": 0})

    def say_to_all(room, event):
        text = json.dumps(event)
        late = [c for c, (_, lines, _) in room["there"].items() if len(lines) >= backlog]
        for connection, (_, lines, bell) in room["there"].items():
            if connection not in late:
                lines.append(text)
                bell.set()
        for connection in late:
            connection.transport.abort()
            forget(room, connection)

    def forget(room, connection):
        if connection not in room["there"]:
            return
        name, _, _ = room["there"].pop(connection)
        if name not in {other for other, _, _ in room["there"].values()}:
            say_to_all(room, {"type": "left", "name": name})

    async def write(connection, lines, bell):
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            while await bell.wait():
                bell.clear()
                while lines:
                    await connection.send(lines.popleft())

    async def beat(connection):
        with contextlib.suppress(websockets.exceptions.ConnectionClosed):
            while True:
                await asyncio.sleep(heartbeat)
                try:
                    async with asyncio.timeout(heartbeat / 2):
                        await (await connection.ping())
                except TimeoutError:
                    connection.transport.abort()
                    return

    def parse(message):
        event = json.loads(message) if isinstance(message, str) else None
        if not isinstance(event, dict):
            raise ValueError("no object")
        return event

    def is_text(event, *names):
        return all(isinstance(event.get(name), str) for name in names)

    async def handler(connection):
        room = None
        try:
            join = parse(await connection.recv())
            after = join.get("after", 0)
            if join.get("type") != "join" or not is_text(join, "room", "name"):
                raise ValueError("no join")
            if not isinstance(after, int):
                raise ValueError("no number")
            room, name = rooms[join["room"]], join["name"]
            if name not in {other for other, _, _ in room["there"].values()}:
                say_to_all(room, {"type": "joined", "name": name})
            lines, bell = collections.deque(), asyncio.Event()
            room["there"][connection] = name, lines, bell
            names = sorted({other for other, _, _ in room["there"].values()})
            past = [event for event in room["said"] if event["id"] > after]
            lines.append(json.dumps({"type": "welcome", "names": names, "messages": past}))
            bell.set()
            async with contextlib.AsyncExitStack() as stack:
                for work in (write(connection, lines, bell), beat(connection)):
                    stack.push_async_callback(end, asyncio.create_task(work))
                async for message in connection:
                    event = parse(message)
                    if event.get("type") == "say" and is_text(event, "key", "text"):
                        say(room, name, event["key"], event["text"])
                    elif event.get("type") == "ping" and "at" in event:
                        await connection.send(json.dumps({"type": "pong", "at": event["at"]}))
                    else:
                        raise ValueError("nonsense")
        except ValueError:
            if room is not None:
                forget(room, connection)
            await connection.close(1008)
        except websockets.exceptions.ConnectionClosed:
            pass
        finally:
            if room is not None:
                forget(room, connection)

    async def end(task):
        task.cancel()
        await asyncio.wait([task])

    def say(room, name, key, text):
        if [m for m in room["said"] if m["name"] == name and m["key"] == key]:
            return
        room["last"] += 1
        event = {"type": "message", "id": room["last"], "name": name, "key": key, "text": text}
        room["said"] = [*room["said"], event][-history:]
        say_to_all(room, event)

    async with websockets.asyncio.server.serve(handler, host, port, ping_interval=None) as server:
        yield server
