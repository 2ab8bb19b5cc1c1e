# SPDX-License-Identifier: Apache-2.0
# A forked child takes a block, once there was time to attach to it.
import os
import sys
import time

kept = []


def in_child():
    kept.append(bytearray(20000))


print("ready", flush=True)
sys.stdin.readline()
child = os.fork()
if child == 0:
    time.sleep(0.7)
    in_child()
    os.write(1, b"done\n")
    sys.stdin.readline()
    os._exit(0)
os.waitpid(child, 0)
