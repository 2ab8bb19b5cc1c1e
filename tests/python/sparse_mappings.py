# SPDX-License-Identifier: Apache-2.0
# Maps a megabyte twenty times a second, and touches two pages of each, as a thread does with its
# stack: "mapped COUNT" at the end.
import mmap
import sys
import time

kept = []
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    kept.append(mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    kept[-1][0] = 1
    kept[-1][8192] = 1
    time.sleep(0.05)
print("mapped", len(kept), flush=True)
sys.stdin.read()
