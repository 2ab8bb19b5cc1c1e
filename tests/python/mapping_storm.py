# SPDX-License-Identifier: Apache-2.0
# Maps and unmaps memory as fast as it can.
import mmap
import sys
import time

print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
mapped = 0
while time.monotonic() < end:
    for _ in range(1000):
        mmap.mmap(-1, 4096).close()
    mapped += 1000
print("mapped", mapped, flush=True)
