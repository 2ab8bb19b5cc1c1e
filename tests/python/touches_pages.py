# SPDX-License-Identifier: Apache-2.0
"""Keeps memory: says "ready", waits for a line, says what it kept and "done", and waits."""
import sys

kept = []


def keep_pages(size):
    kept.append(bytearray(b"x" * size))


print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    keep_pages(1 << 20)
print("kept", sum(len(each) for each in kept), flush=True)
print("done", flush=True)
sys.stdin.readline()
