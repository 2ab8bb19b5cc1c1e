# SPDX-License-Identifier: Apache-2.0
# Runs code that lives for a moment, again and again, each with a stack of its own; and leaks.
import sys
import time

kept = []


def leak():
    kept.append(bytearray(7000))


def run(number):
    exec(compile("\n" * (number % 50) + "bytearray(6000)", "<made>", "exec"))


print("ready", flush=True)
sys.stdin.readline()
for number in range(4000):
    run(number)
    if number % 40 == 0:
        leak()
        time.sleep(0.005)  # room is made at each refresh: on a fast machine there would be few
print("done", flush=True)
sys.stdin.readline()
