# SPDX-License-Identifier: Apache-2.0
"""How fast a program is, compared with one that nobody looks at."""

import os
import pathlib
import signal
import statistics
import struct
import subprocess
import tempfile
import time

measure_seconds = 0.15
most_tries = 30


class Loop:
    """tests/programs/busy_loop."""

    def __init__(self, program, folder, name):
        self.file = pathlib.Path(folder) / name
        self.process = subprocess.Popen(
            [program, self.file], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        while not self.file.exists() or self.counts()[0] == 0:
            time.sleep(0.01)

    def counts(self):
        """Rounds, and the nanoseconds of CPU time that they took."""
        data = self.file.read_bytes()
        return struct.unpack("QQ", data) if len(data) == 16 else (0, 0)

    def speed(self):
        """Rounds in a nanosecond of its own CPU time: what others take of the CPUs is left out."""
        rounds, taken = self.counts()
        while True:
            time.sleep(measure_seconds)
            rounds_now, taken_now = self.counts()
            if taken_now > taken:
                return (rounds_now - rounds) / (taken_now - taken)

    def end(self):
        self.process.kill()
        self.process.wait()


class Pair:
    """A target, and its like that rests but for measurements. Both have one CPU: two are not equally
    fast on a machine that others use, too."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="leakbpf-speed-")
        self.target = Loop(program, self.folder.name, "target")
        self.other = Loop(program, self.folder.name, "other")
        for loop in (self.target, self.other):
            os.sched_setaffinity(loop.pid, {max(os.sched_getaffinity(0))})

    def __enter__(self):
        self.at_first = statistics.median(self.compared() for _ in range(25))
        return self

    def __exit__(self, *_):
        self.target.end()
        self.other.end()
        self.folder.cleanup()

    def compared(self):
        """The target's speed in the other's, both measured at the same time."""
        os.kill(self.other.pid, signal.SIGCONT)
        own, taken = self.target.counts()
        other = self.other.speed()
        own_now, taken_now = self.target.counts()
        os.kill(self.other.pid, signal.SIGSTOP)
        if taken_now <= taken:
            return 0.0
        return (own_now - own) / (taken_now - taken) / other

    def speed_now(self, least=0.98):
        """The target's speed in what it was at first; noise is given some tries."""
        best = 0.0
        for _ in range(most_tries):
            best = max(best, self.compared() / self.at_first)
            if best >= least:
                break
        return best
