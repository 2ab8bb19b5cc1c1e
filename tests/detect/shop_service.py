# SPDX-License-Identifier: Apache-2.0
# A FastAPI service with a bounded cache, and with orders that are never forgotten: 8 MB of them a
# minute, however many requests come.
import functools
import time

from fastapi import FastAPI

app = FastAPI()
orders = []
started = time.monotonic()
ORDER_BYTES = 3000  # as the process grows by them
ORDERS_PER_SECOND = 8 * 2**20 / 60 / ORDER_BYTES


@functools.lru_cache(maxsize=2000)
def look_up(number):
    description = " ".join("property %d of item %d" % (i, number) for i in range(number % 60))
    return {"id": number, "name": "item %d" % number, "price": number * 1.5, "text": description}


@app.get("/items/{number}")
def item(number: int):
    return look_up(number)


def remember_order(number):
    lines = [{"item": number * 20 + i, "price": i * 1.5} for i in range(8)]
    orders.append({"number": number, "lines": lines, "note": "order %d, " % number * 40})


@app.post("/orders")
async def new_order():
    due = int((time.monotonic() - started) * ORDERS_PER_SECOND) - len(orders)
    for _ in range(due):
        remember_order(len(orders))
    return {"orders": len(orders)}
