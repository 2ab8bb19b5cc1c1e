# SPDX-License-Identifier: Apache-2.0
# Stands at the edge of one of Python's pools and goes over it again and again: each object that it
# takes begins a pool, and each that it drops empties one.
import sys
import time

import ctypes

pool_bytes = 4096 if sys.version_info < (3, 10) else 16384


class Object:
    __slots__ = ("a", "b", "c", "d", "e", "f", "g", "h")


def in_pool(objects):
    """How many of the objects lie in the last one's pool."""
    pool = id(objects[-1]) // pool_bytes
    return sum(1 for each in objects[-1000:] if id(each) // pool_bytes == pool)


def at_an_edge():
    """Objects of which the last is alone in its pool."""
    kept = [Object() for _ in range(20000)]
    while in_pool(kept) != 1 or id(kept[-1]) // pool_bytes == id(kept[-2]) // pool_bytes:
        kept.append(Object())
    return kept


kept = at_an_edge()
kept.pop()
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
begun = 0
while time.monotonic() < end:
    for _ in range(1000):
        Object()
    begun += 1000
print("begun", begun, flush=True)
