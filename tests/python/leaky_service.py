# SPDX-License-Identifier: Apache-2.0
# A FastAPI service with one steady endpoint, one with a bounded cache, and three that leak, each at
# a steady rate however many requests come: in large blocks, in small objects only, and in a dict.
import time

from fastapi import FastAPI

app = FastAPI()
started = time.monotonic()
sessions = []
notes = []
orders = {}
cache = {}


def due(done, bytes_per_second, each):
    """How many more there must be by now."""
    return max(0, int((time.monotonic() - started) * bytes_per_second / each) - done)


@app.get("/steady")
async def steady():
    return [{"id": i, "name": "item %d" % i, "price": i * 1.5} for i in range(50)]


def remember_session():
    sessions.append(bytearray(20000))


@app.get("/large")
async def large():
    for _ in range(due(len(sessions), 200_000, 20000)):
        remember_session()
    return {"sessions": len(sessions)}


def keep_note(number):
    notes.append({"number": float(number), "text": "note %d" % number, "tags": (number, number + 1)})


@app.get("/small")
async def small():
    for _ in range(due(len(notes), 100_000, 480)):
        keep_note(len(notes))
    return {"notes": len(notes)}


def look_up(key):
    cache[key % 500] = "cached %d" % key * 5
    return cache[key % 500]


def record_order(key):
    orders[key] = "order %d " % key * 8


@app.get("/orders")
async def new_order():
    for _ in range(due(len(orders), 100_000, 200)):
        look_up(len(orders))
        record_order(len(orders))
    return {"orders": len(orders), "last": look_up(len(orders))}
