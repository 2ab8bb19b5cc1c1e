# SPDX-License-Identifier: Apache-2.0
"""What reading a Python process's containers costs it, and leakbpf: work per second of its CPU with
leakbpf --kinds held beside it, as a share of that without, in pairs that alternate. Usage: held.py
LEAKBPF [PAIRS [MEGABYTES]]; the process keeps about so much in small objects."""

import os
import resource
import statistics
import subprocess
import sys
import time

seconds = 12


def work(megabytes):
    kept = {number: [str(number), number] for number in range(megabytes * 4500)}
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.process_time()
        end = time.monotonic() + seconds
        rounds = 0
        while time.monotonic() < end:
            recent = {number: (number, str(number)) for number in range(200)}
            rounds += len(recent) // 200
            kept[rounds % 1000] = [recent[0]]
        print(rounds / (time.process_time() - begin), flush=True)


def measure(program, leakbpf):
    """Work per second of CPU, and the share of a core that leakbpf took."""
    watcher = None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    if leakbpf:
        watcher = subprocess.Popen(
            [leakbpf, "detect", str(seconds), "--kinds", "held", "-p", str(program.pid)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    program.stdin.write("go\n")
    program.stdin.flush()
    speed = float(program.stdout.readline())
    if not watcher:
        return speed, 0.0
    watcher.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return speed, used / seconds


def main():
    leakbpf = sys.argv[1]
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    megabytes = sys.argv[3] if len(sys.argv) > 3 else "30"
    program = subprocess.Popen([sys.executable, os.path.abspath(__file__), "work", megabytes],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    program.stdout.readline()
    ratios, shares = [], []
    for pair in range(pairs):
        order = [False, True] if pair % 2 == 0 else [True, False]
        found = {watched: measure(program, leakbpf if watched else None) for watched in order}
        ratios.append(found[True][0] / found[False][0])
        shares.append(found[True][1])
    program.kill()
    print("work beside it: %.3f (%.3f to %.3f) of that without; leakbpf: %.1f%% of a core"
          % (statistics.median(ratios), min(ratios), max(ratios), 100 * statistics.median(shares)))


if __name__ == "__main__":
    work(int(sys.argv[2])) if sys.argv[1] == "work" else main()
