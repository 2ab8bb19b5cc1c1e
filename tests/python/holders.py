# SPDX-License-Identifier: Apache-2.0
"""Containers that grow, one of each kind of holder, and some that do not. Says "ready" when all are
large; then each line of standard input makes each growing one grow by 100 entries, and the answer is
"done". What is true of it stands in tests/e2e/held_test.cpp."""

import array
import collections
import functools
import io
import queue
import sys
import threading

at_first = 500
more = 100

by_key = {}
in_list = []
in_set = set()
in_deque = collections.deque()
in_bytearray = bytearray()
in_array = array.array("d")
in_buffer = io.BytesIO()
by_default = collections.defaultdict(list)
ordered = collections.OrderedDict()
nested = {"inner": {"deeper": []}}
sessions = {}
accounts = {"acme": {"listeners": []}}
indices = {"by_topic": {}}

fifo = collections.OrderedDict()
drained = queue.Queue()
bounded = collections.deque(maxlen=1000)
full = {number: str(number) for number in range(5000)}


class Plain:
    registry = {}

    def __init__(self):
        self.items = []


class Slotted:
    __slots__ = ("items",)

    def __init__(self):
        self.items = []


class OwnDict(dict):
    pass


class Session:
    def __init__(self):
        self.history = []


plain = Plain()
slotted = Slotted()
own_dict = OwnDict()
local = threading.local()
local.items = []


def make_closure():
    kept = []

    def add(value):
        kept.append(value)

    return add


closure = make_closure()


def subscribe(account, listener):
    account["listeners"].append(listener)


def index(where, number, listener):
    where.get("by_topic")[number] = [listener]


def with_default(value, seen=[]):  # noqa: B006
    seen.append(value)


@functools.lru_cache(maxsize=None)
def cached(number):
    return (number, str(number))


def generate():
    produced = []
    while True:
        produced.append(object())
        yield len(produced)


generator = generate()


class Node:
    def __init__(self, child):
        self.child = child


tree = Node(Node(Node([])))


to_thread = queue.Queue()


def serve():
    in_thread = []
    while True:
        in_thread.append([to_thread.get()])


threading.Thread(target=serve, daemon=True).start()


def grow(first, count):
    for number in range(first, first + count):
        to_thread.put(number)
        by_key["key %d" % number] = (number, [number])
        in_list.append({"session": number, "blob": str(number)})
        in_set.add("member %d" % number)
        in_deque.append([number])
        in_bytearray.extend(b"x" * 100)
        in_array.extend([number] * 100)
        in_buffer.write(b"y" * 100)
        by_default[number].append(number)
        ordered[number] = str(number)
        nested["inner"]["deeper"].append((number,))
        Plain.registry[number] = [number]
        plain.items.append((number, number))
        slotted.items.append((number, number))
        own_dict[number] = [number]
        local.items.append([number])
        closure([number])
        with_default([number])
        cached(number)
        next(generator)
        tree.child.child.child.append([number])
        subscribe(accounts["acme"], [number])
        index(indices, number, [number])
    for number in range(40):
        session = sessions.setdefault(number, Session())
        session.history.extend([count] for _ in range(max(count // 10, 1)))


def churn(first, count):
    for number in range(first, first + count):
        fifo[number] = str(number)
        if len(fifo) > 400:
            fifo.popitem(last=False)
        bounded.append(number)
        drained.put(number)
    while not drained.empty():
        drained.get()


def main():
    done = 0
    grow(done, at_first)
    churn(done, at_first)
    done += at_first
    print("ready", flush=True)
    for _ in sys.stdin:
        grow(done, more)
        churn(done, more)
        done += more
        print("done", flush=True)


if __name__ == "__main__":
    main()
