# SPDX-License-Identifier: Apache-2.0
"""Objects that grow in number and are in no container: links of chains, or cycles that nothing refers
to any more, as the argument says. Says "ready" when there are many; then each line of standard input
makes 200 more, and the answer is "done". What is true of it stands in tests/e2e/held_test.cpp."""

import gc
import sys


class Node:
    def __init__(self, following):
        self.following = following
        self.data = [str(id(self))] * 20


class Chain:
    def __init__(self):
        self.head = None

    def push(self):
        self.head = Node(self.head)


class Child:
    def __init__(self, parent):
        self.parent = parent
        self.data = [str(id(self))] * 20


class Parent:
    def __init__(self):
        self.child = Child(self)


chain = Chain()


def fail(number):
    payload = [str(number)] * 100
    try:
        raise KeyError(number)
    except KeyError as error:
        last = error
    return len(payload), last is None


def make(kind):
    for number in range(200):
        if kind == "chain":
            chain.push()
        elif kind == "parents":
            Parent()
        elif kind == "errors":
            fail(number)


def main():
    kind = sys.argv[1]
    if len(sys.argv) < 3:
        gc.disable()
    make(kind)
    print("ready", flush=True)
    for _ in sys.stdin:
        make(kind)
        print("done", flush=True)


if __name__ == "__main__":
    main()
