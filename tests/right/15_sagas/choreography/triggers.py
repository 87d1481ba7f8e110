"""All of it is SQL: what an agent hears goes into a table, and triggers do the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiosqlite


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    order_id: str
    data: dict[str, Any]


HEARD = """
CREATE TABLE heard (
    order_id TEXT, type TEXT, data TEXT, UNIQUE (order_id, type) ON CONFLICT IGNORE
);
CREATE TABLE said (order_id TEXT, type TEXT, PRIMARY KEY (order_id, type));
CREATE TRIGGER saying AFTER INSERT ON outbox BEGIN
    INSERT INTO said VALUES (new.order_id, new.type);
END;
CREATE VIEW placed AS
    SELECT order_id, json_extract(data, '$.customer') AS customer,
        json_extract(data, '$.total') AS total, data
    FROM heard WHERE type = 'OrderPlaced';
"""

INVENTORY = """
CREATE VIEW wanted AS
    SELECT order_id, key AS sku, value AS quantity FROM placed, json_each(placed.data, '$.items');
CREATE VIEW called_off AS
    SELECT DISTINCT order_id FROM heard WHERE type IN ('PaymentDeclined', 'ShipmentRefused');
CREATE TRIGGER hearing AFTER INSERT ON heard BEGIN
    INSERT INTO outbox (type, order_id, data)
        SELECT CASE
            WHEN order_id IN called_off THEN 'StockRefused'
            WHEN EXISTS (SELECT 1 FROM wanted LEFT JOIN stock USING (sku)
                WHERE order_id = placed.order_id AND IFNULL(available, 0) < quantity)
            THEN 'StockRefused' ELSE 'StockReserved' END,
            order_id,
            json_object('sku', CASE WHEN order_id IN called_off THEN NULL ELSE
                (SELECT sku FROM wanted LEFT JOIN stock USING (sku)
                WHERE order_id = placed.order_id AND IFNULL(available, 0) < quantity) END)
        FROM placed WHERE order_id = new.order_id AND NOT EXISTS
            (SELECT 1 FROM said WHERE order_id = placed.order_id);
    INSERT INTO outbox (type, order_id, data)
        SELECT 'StockReleased', order_id, '{}' FROM said
        WHERE order_id = new.order_id AND type = 'StockReserved' AND order_id IN called_off
            AND NOT EXISTS (SELECT 1 FROM said s
                WHERE s.order_id = said.order_id AND s.type = 'StockReleased');
END;
CREATE TRIGGER moving AFTER INSERT ON outbox WHEN new.type <> 'StockRefused' BEGIN
    UPDATE stock SET available = available + (SELECT quantity FROM wanted
            WHERE order_id = new.order_id AND wanted.sku = stock.sku)
            * CASE new.type WHEN 'StockReserved' THEN -1 ELSE 1 END
        WHERE sku IN (SELECT sku FROM wanted WHERE order_id = new.order_id);
END;
"""

PAYMENT = """
CREATE TRIGGER hearing AFTER INSERT ON heard BEGIN
    INSERT INTO outbox (type, order_id, data)
        SELECT CASE WHEN reason IS NULL THEN 'PaymentTaken' ELSE 'PaymentDeclined' END, order_id,
            CASE WHEN reason IS NULL THEN json_object('amount', total)
                ELSE json_object('reason', reason) END
        FROM (SELECT *, CASE
            WHEN EXISTS (SELECT 1 FROM heard h
                WHERE h.order_id = placed.order_id AND h.type = 'ShipmentRefused')
            THEN 'nobody is going to send it'
            WHEN IFNULL((SELECT balance FROM accounts a WHERE a.customer = placed.customer), 0)
                < total
            THEN 'the account does not cover it' END AS reason FROM placed)
        WHERE order_id = new.order_id
            AND EXISTS (SELECT 1 FROM heard WHERE order_id = new.order_id
                AND type = 'StockReserved')
            AND NOT EXISTS (SELECT 1 FROM said WHERE order_id = new.order_id);
    INSERT INTO outbox (type, order_id, data)
        SELECT 'PaymentRefunded', order_id, json_object('amount', total) FROM placed
        WHERE order_id = new.order_id
            AND EXISTS (SELECT 1 FROM heard WHERE order_id = new.order_id
                AND type = 'ShipmentRefused')
            AND EXISTS (SELECT 1 FROM said WHERE order_id = new.order_id AND type = 'PaymentTaken')
            AND NOT EXISTS (SELECT 1 FROM said WHERE order_id = new.order_id
                AND type = 'PaymentRefunded');
END;
CREATE TRIGGER moving AFTER INSERT ON outbox WHEN new.type <> 'PaymentDeclined' BEGIN
    UPDATE accounts SET balance = balance + json_extract(new.data, '$.amount')
            * CASE new.type WHEN 'PaymentTaken' THEN -1 ELSE 1 END
        WHERE customer = (SELECT customer FROM placed WHERE order_id = new.order_id);
END;
"""

SHIPPING = """
CREATE TRIGGER cancelling AFTER INSERT ON heard WHEN new.type = 'CancelRequested'
    AND NOT EXISTS (SELECT 1 FROM said WHERE order_id = new.order_id)
BEGIN
    INSERT INTO outbox (type, order_id, data) VALUES
        ('ShipmentRefused', new.order_id, json_object('reason', 'the customer does not want it'));
END;
CREATE TRIGGER sending AFTER INSERT ON heard WHEN new.type <> 'CancelRequested'
    AND NOT EXISTS (SELECT 1 FROM said WHERE order_id = new.order_id)
    AND (SELECT COUNT(*) FROM heard WHERE order_id = new.order_id) = 2
BEGIN
    INSERT INTO parcels (order_id) SELECT order_id FROM placed JOIN addresses USING (customer)
        WHERE order_id = new.order_id;
    INSERT INTO outbox (type, order_id, data)
        SELECT 'OrderShipped', order_id, json_object('parcel', parcel) FROM parcels
            WHERE order_id = new.order_id
        UNION ALL SELECT 'ShipmentRefused', order_id, json_object('reason', 'where to?')
            FROM placed WHERE order_id = new.order_id AND customer NOT IN addresses;
END;
"""

ORDERS = """
CREATE TRIGGER shipped AFTER INSERT ON heard WHEN new.type = 'OrderShipped' BEGIN
    UPDATE orders SET status = 'shipped' WHERE order_id = new.order_id;
END;
CREATE TRIGGER cancelled AFTER INSERT ON heard WHEN new.type <> 'OrderShipped'
    AND NOT EXISTS (SELECT 1 FROM said WHERE order_id = new.order_id)
    AND EXISTS (SELECT 1 FROM (SELECT group_concat(type) AS types FROM heard
        WHERE order_id = new.order_id)
        WHERE types LIKE '%StockRefused%' OR types LIKE '%StockReleased%' AND
            (types LIKE '%PaymentDeclined%' OR types LIKE '%PaymentRefunded%'))
BEGIN
    UPDATE orders SET status = 'cancelled' WHERE order_id = new.order_id;
    INSERT INTO outbox (type, order_id, data) VALUES
        ('OrderCancelled', new.order_id, json_object('reason', 'all is as it was before'));
END;
"""

TABLES = {
    "inventory": HEARD + INVENTORY,
    "payment": HEARD + PAYMENT,
    "shipping": HEARD + SHIPPING,
    "orders": HEARD + ORDERS,
}


async def hear(db: aiosqlite.Connection, event: Event) -> None:
    await db.execute(
        "INSERT INTO heard VALUES (?, ?, ?)",
        (event.order_id, event.type, json.dumps(event.data)),
    )
    await db.commit()


inventory = payment = shipping = orders = hear
