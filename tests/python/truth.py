# SPDX-License-Identifier: Apache-2.0
# Allocates about 1,000 blocks from Python stacks of every kind, and writes down for each stack what
# Python itself says of it: function, file and line of each frame, innermost first.
#
#   python3 truth.py FILE     prints "ready", waits for a line, runs, writes FILE, prints "done",
#                             waits for the end of its input
import asyncio
import ctypes
import functools
import json
import re
import sys
import threading

SIZE = 6000  # bytes: far above small objects, so that each is a malloc of its own
kept = [None] * 4000  # never grows while blocks are taken
taken = 0
lock = threading.Lock()
truth = {}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]


def snapshot(count=1):
    """Notes the caller's stack, and the block it is about to take."""
    global taken
    frame = sys._getframe(1)
    frames = []
    while frame is not None:
        code = frame.f_code
        frames.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    key = json.dumps(frames)
    with lock:
        truth[key] = truth.get(key, 0) + count
        place = taken
        taken += count
    return place


def leaf(size=SIZE):
    kept[snapshot()] = bytearray(size)


def leaf_without_lock(size=SIZE):
    kept[snapshot()] = libc.malloc(size)  # ctypes lets go of the interpreter's lock meanwhile


def plain():
    leaf()


def recursive(depth):
    if depth == 0:
        return leaf()
    recursive(depth - 1)


def by_key(item):
    leaf()
    return -item


def sort_with_key():
    sorted(range(3), key=by_key)


def lambdas():
    list(map(lambda item: leaf(), range(2)))
    functools.reduce(lambda a, b: (leaf(), a)[1], range(3))


def numbers(count):
    for i in range(count):
        leaf()
        yield i


def delegating(count):
    yield from numbers(count)
    leaf()


def generators():
    for _ in delegating(3):
        leaf()
    sum(i for i in numbers(2))
    [leaf() for _ in range(2)]
    {leaf() for _ in range(2)}


def substitute():
    re.sub("a", lambda match: (leaf(), "b")[1], "banana")


class Shape:
    def __init__(self):
        leaf()

    def __enter__(self):
        leaf()
        return self

    def __exit__(self, *exception):
        leaf()

    def __getattr__(self, name):
        leaf()
        return name

    def __call__(self):
        leaf()

    def __lt__(self, other):
        leaf()
        return False

    @property
    def area(self):
        leaf()
        return 1

    @classmethod
    def make(cls):
        leaf()
        return cls()

    @staticmethod
    def helper():
        leaf()

    def __del__(self):
        leaf()


def objects():
    with Shape() as shape:
        shape.area
        shape.missing
        shape()
        shape.helper()
    sorted([Shape.make(), Shape.make()])


def exceptions():
    try:
        try:
            leaf()
            raise ValueError("no")
        except ValueError:
            leaf()
            raise KeyError("either")
        finally:
            leaf()
    except KeyError:
        leaf()


def raising_deep(depth):
    if depth == 0:
        raise RuntimeError
    try:
        raising_deep(depth - 1)
    finally:
        leaf()


def unwinding():
    try:
        raising_deep(5)
    except RuntimeError:
        leaf()


async def sleeping():
    leaf()
    await asyncio.sleep(0)
    leaf()


async def counting():
    for i in range(2):
        leaf()
        yield i


async def gathering():
    await asyncio.gather(*[sleeping() for _ in range(3)])
    async for _ in counting():
        leaf()


def coroutines():
    asyncio.run(gathering())


def compare(a, b):
    leaf()
    return a[0] - b[0]


def c_callbacks():
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers_ = (ctypes.c_int * 4)(3, 1, 2, 0)
    libc.qsort(numbers_, 4, 4, kind(compare))


def without_lock():
    leaf_without_lock()
    recursive_without_lock(3)


def recursive_without_lock(depth):
    if depth == 0:
        return leaf_without_lock()
    recursive_without_lock(depth - 1)


def in_thread():
    for _ in range(5):
        plain()
        sort_with_key()
        without_lock()


def threads():
    workers = [threading.Thread(target=in_thread) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def executed():
    # Code objects that live for a moment and leave their addresses to the next.
    for i in range(20):
        exec(compile("\n" * i + "leaf()", "<made %d>" % i, "exec"))


def decorated(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        leaf()
        return function(*arguments)

    return wrapper


@decorated
@functools.lru_cache(maxsize=None)
def cached(value):
    leaf()
    return value


def long_function():
    # Lines far from the first, and expressions over several lines.
    x = 0
    for i in range(3):
        x += (
            i
            + (leaf() or 0)
            + 1
        )



















    leaf()
    return [
        leaf()
        for _ in range(2)
    ]


def everything(round_):
    plain()
    recursive(20 + round_)
    sort_with_key()
    lambdas()
    generators()
    substitute()
    objects()
    exceptions()
    unwinding()
    coroutines()
    c_callbacks()
    without_lock()
    executed()
    for i in range(3):
        cached(round_ * 10 + i)
    long_function()
    if round_ == 0:
        threads()


def wait():
    sys.stdin.readline()


print("ready", flush=True)
wait()
for round_ in range(10):
    everything(round_)
with open(sys.argv[1], "w") as file:
    json.dump([[json.loads(key), count] for key, count in truth.items()], file)
print("done", taken, flush=True)
wait()
