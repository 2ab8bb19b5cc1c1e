# SPDX-License-Identifier: Apache-2.0
# Allocates from a stack of so many Python frames, some of them called through native code:
# deep.py FRAMES CROSSINGS
import sys
import time


def leaf():
    for _ in range(200):
        bytearray(600)
    time.sleep(0.001)


def deeper(frames, crossings):
    if frames <= 2:
        while True:
            leaf()
    if crossings:
        list(map(lambda frames: deeper(frames, crossings - 1), [frames - 2]))
    deeper(frames - 1, 0)


deeper(int(sys.argv[1]) - 1, int(sys.argv[2]))
