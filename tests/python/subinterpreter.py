# SPDX-License-Identifier: Apache-2.0
# Code in another interpreter of the same thread takes a block.
import sys

try:
    import _interpreters as interpreters  # from 3.13 on
except ImportError:
    import _xxsubinterpreters as interpreters

INNER = """
kept = []
def in_inner():
    kept.append(bytearray(20000))
def inner():
    in_inner()
inner()
"""


made = []  # an interpreter ends with the last reference to it


def outer():
    made.append(interpreters.create())
    interpreters.run_string(made[0], INNER)


print("ready", flush=True)
sys.stdin.readline()
outer()
print("done", flush=True)
sys.stdin.readline()
