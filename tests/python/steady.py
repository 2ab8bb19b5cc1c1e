# SPDX-License-Identifier: Apache-2.0
"""Containers that come and go as those of a service do, none of which grows for good: bounded caches,
caches by time, queues that drain, a pool of connections, a cache that warms up. Says "ready", and goes
on until its standard input ends. `steady.py SEED`."""

import collections
import functools
import queue
import random
import socket
import sys
import threading
import time

chance = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)

recent = collections.OrderedDict()
by_time = {}
ring = collections.deque(maxlen=2000)
tasks = queue.Queue()
pool = [socket.socketpair() for _ in range(40)]
in_use = set()
warm = {}
waves = []
sessions = {}


@functools.lru_cache(maxsize=1500)
def render(page):
    return {"page": page, "text": "x" * (page % 300)}


def remember(key):
    """Keeps 800, the latest used."""
    recent[key] = [key, str(key)]
    recent.move_to_end(key)
    if len(recent) > 800:
        recent.popitem(last=False)


def remember_for_a_while(key, now):
    by_time[key] = (now + 2, "value %d" % key)
    for old in [each for each, (until, _) in by_time.items() if until < now]:
        del by_time[old]


def borrow():
    number = chance.randrange(len(pool))
    if number in in_use:
        in_use.discard(number)
    else:
        in_use.add(number)


def log_in_or_out(user):
    if user in sessions:
        del sessions[user]
    else:
        sessions[user] = {"user": user, "items": [user] * chance.randrange(20)}


def consume():
    while tasks.get() is not None:
        tasks.task_done()


def serve(number):
    remember(chance.randrange(5000))
    remember_for_a_while(number, time.monotonic())
    ring.append({"number": number})
    tasks.put([number])
    render(chance.randrange(6000))
    borrow()
    log_in_or_out(chance.randrange(600))
    warm.setdefault(chance.randrange(1000), [0] * 20)
    waves.append(bytearray(200))
    if len(waves) > 3000 + chance.randrange(1000):
        waves.clear()


def main():
    threading.Thread(target=consume, daemon=True).start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    for number in range(6000):  # it has run for a while
        serve(number)
    print("ready", flush=True)
    while not ended.is_set():
        for _ in range(chance.randrange(20)):
            number += 1
            serve(number)
        time.sleep(0.02)
    tasks.put(None)


main()
