# SPDX-License-Identifier: Apache-2.0
# Fills Python's allocator of small objects, says what it holds, and collects garbage three times.
import gc
import sys

gc.disable()
print("ready", flush=True)
sys.stdin.readline()
kept = [(number, float(number), "text %d" % number) for number in range(50000)]
del kept[10000:20000]
for _ in range(3):
    gc.collect()
sys.stderr.flush()
sys._debugmallocstats()
print("done", flush=True)
sys.stdin.readline()
