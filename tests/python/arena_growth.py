# SPDX-License-Identifier: Apache-2.0
"""Keeps small objects, for which Python maps arenas, while so many native blocks come and go that
their probes are used in windows: `arena_growth.py SECONDS`."""

import sys
import time

kept = []

print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + float(sys.argv[1])
count = 0
while time.monotonic() < end:
    for _ in range(2000):
        blocks = [bytes(700) for _ in range(5)]
    for _ in range(5000):
        kept.append((count, str(count)))
        count += 1
    time.sleep(0.01)
print("done", len(kept), flush=True)
sys.stdin.readline()
