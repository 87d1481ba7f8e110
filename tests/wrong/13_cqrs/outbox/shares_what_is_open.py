"""One connection to the database for commands and relay, and no lock: aiosqlite has a queue.

The queue puts statements in a row, not transactions: the relay's commit commits half a command.

mistake: dual-write
fails: test_commands_run_side_by_side, test_killed_anywhere_nothing_is_untold,
    test_cancelled_anywhere_it_is_all_or_nothing, test_two_relays_lose_nothing,
    test_one_that_is_returned_holds_up_its_order, test_a_broken_connection_loses_nothing,
    test_a_command_changes_the_order_and_tells, test_what_was_never_committed_is_told_to_nobody
"""

import asyncio
import json
import uuid
from contextlib import AsyncExitStack, asynccontextmanager

import aio_pika
import aiosqlite
import pamqp.commands


class OrderExists(Exception):
    pass


class CannotCancel(Exception):
    pass


class Shop:
    def __init__(self, database, url):
        self._file, self._url = database, url
        self._stack = AsyncExitStack()
        self._nudge = asyncio.Semaphore(0)

    async def __aenter__(self):
        self._db = await self._stack.enter_async_context(aiosqlite.connect(self._file))
        self._task = asyncio.ensure_future(self._run())
        self._stack.push_async_callback(self._stop)
        return self

    async def __aexit__(self, *error):
        return await self._stack.__aexit__(*error)

    async def _stop(self):
        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():
                raise

    @asynccontextmanager
    async def _transaction(self):
        try:
            yield self._db.execute
            await self._db.commit()
        except BaseException:
            await self._db.rollback()
            raise

    async def place_order(self, order_id, customer, total):
        async with self._transaction() as execute:
            try:
                await execute(
                    "INSERT INTO orders (order_id, customer, total, status) "
                    "VALUES (:o, :c, :t, 'placed')",
                    {"o": order_id, "c": customer, "t": total},
                )
            except aiosqlite.IntegrityError:
                raise OrderExists(order_id) from None
            await self._tell(execute, "OrderPlaced", order_id, customer=customer, total=total)
        self._nudge.release()

    async def cancel_order(self, order_id, reason):
        async with self._transaction() as execute:
            done = await execute(
                "UPDATE orders SET status = 'cancelled' WHERE order_id = ? AND status = 'placed'",
                [order_id],
            )
            if done.rowcount != 1:
                raise CannotCancel(order_id)
            await self._tell(execute, "OrderCancelled", order_id, reason=reason)
        self._nudge.release()

    async def _tell(self, execute, kind, order_id, **more):
        values = uuid.uuid4().hex, order_id, kind, json.dumps({"order_id": order_id} | more)
        await execute(
            "INSERT INTO outbox (message_id, order_id, type, data) VALUES (?, ?, ?, ?)", values
        )

    async def _run(self):
        while True:
            try:
                connection = await aio_pika.connect(self._url)
            except OSError:
                await asyncio.sleep(2)
                continue
            try:
                await self._serve(connection)
            except (OSError, aio_pika.exceptions.AMQPError, RuntimeError):
                await asyncio.sleep(1)
            finally:
                await connection.close()

    async def _serve(self, connection):
        channel = await connection.channel()
        exchange = await channel.get_exchange("orders", ensure=False)
        while True:
            stuck = set()
            while (row := await self._next(stuck)) is not None:
                number, message_id, order_id, kind, data = row
                answer = await exchange.publish(
                    aio_pika.Message(data.encode("utf-8"), message_id=message_id, delivery_mode=2),
                    routing_key=kind,
                )
                if not isinstance(answer, pamqp.commands.Basic.Ack):
                    stuck.add(order_id)
                    continue
                async with self._transaction() as execute:
                    await execute("UPDATE outbox SET sent = 1 WHERE id = ?", [number])
            await self._nap()

    async def _next(self, stuck):
        rows = await self._db.execute_fetchall(
            "SELECT id, message_id, order_id, type, data FROM outbox WHERE NOT sent ORDER BY id"
        )
        return next((row for row in rows if row[2] not in stuck), None)

    async def _nap(self):
        try:
            await asyncio.wait_for(self._nudge.acquire(), 2)
        except TimeoutError:
            return
