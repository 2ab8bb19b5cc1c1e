# SPDX-License-Identifier: Apache-2.0
"""Runs inside gdb: `gdb -batch -p PID -x gdb_backtraces.py`, told by AGREE_* variables what to do.

Starts stop_at_allocations, goes on from stop to stop, and writes each backtrace as a line of JSON:
{"thread": TID, "end": why gdb saw no further frame, "frames": [[module, file offset, name], ...]}.
"""

import json
import os
import struct
import subprocess
import threading
import time

import gdb

MOST_FRAMES = 400
NOT_REAL = (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME)


class Places:
    """What lies at an address: file and offset in it, and a name, looked up once."""

    def __init__(self, pid):
        self.pid = pid
        self.ranges = []
        self.known = {}

    def forget(self, _event=None):
        self.ranges = []
        self.known = {}

    def read_maps(self):
        self.ranges = []
        with open(f"/proc/{self.pid}/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                words = line.rstrip("\n").split(maxsplit=5)
                if "x" not in words[1]:
                    continue
                start, end = (int(word, 16) for word in words[0].split("-"))
                path = words[5] if len(words) > 5 else ""
                self.ranges.append((start, end, int(words[2], 16), path))

    def find(self, pc):
        for start, end, offset, path in self.ranges:
            if start <= pc < end:
                # Anonymous memory has no offsets: the address itself.
                return [path, pc - start + offset if path else pc]
        return None

    def of_frame(self, frame):
        pc = frame.pc()
        place = self.known.get(pc)
        if place is None:
            found = self.find(pc)
            if found is None:
                self.read_maps()
                found = self.find(pc) or [None, pc]
            place = found + [real_name(frame)]
            self.known[pc] = place
        return place


def real_name(frame):
    """Of the function whose code it is, not of one that was inlined there."""
    while frame is not None and frame.type() in NOT_REAL:
        frame = frame.older()
    return frame.name() if frame is not None else None


def leave_trampoline(places):
    """Since Linux 6.11 a probed call returns by a system call in a page of the kernel's, which is
    where the thread stops: before two registers and the return address are popped."""
    frame = gdb.newest_frame()
    if places.of_frame(frame)[0] != "[uprobes]":
        return
    stack = int(frame.read_register("rsp"))
    memory = gdb.selected_inferior().read_memory(stack, 24)
    r11, rcx, address = struct.unpack("<3Q", memory.tobytes())
    for register, value in (("r11", r11), ("rcx", rcx), ("rsp", stack + 24), ("rip", address)):
        gdb.execute(f"set ${register} = {value}", to_string=True)


def backtrace(places):
    leave_trampoline(places)
    frames = []
    frame = gdb.newest_frame()
    end = "limit"
    while len(frames) < MOST_FRAMES:
        try:
            if frame.type() not in NOT_REAL:
                frames.append(places.of_frame(frame))
            older = frame.older()
        except gdb.error as error:
            end = f"error: {error}"
            break
        if older is None:
            end = gdb.frame_stop_reason_string(frame.unwind_stop_reason())
            break
        frame = older
    return {"thread": gdb.selected_thread().ptid[1], "end": end, "frames": frames}


class Stops:
    """Goes on to the next stop at an allocation."""

    def __init__(self, pid, seconds):
        self.pid = pid
        self.signal = None
        self.over = False
        self.done = False
        self.deadline = time.monotonic() + seconds
        gdb.events.stop.connect(self.on_stop)
        threading.Thread(target=self.watch, daemon=True).start()

    def on_stop(self, event):
        self.signal = event.stop_signal if isinstance(event, gdb.SignalEvent) else None

    def watch(self):
        """A process that allocates nothing any more would never stop."""
        while not self.done and time.monotonic() < self.deadline:
            time.sleep(0.2)
        self.over = True
        while not self.done:
            os.kill(self.pid, 19)
            time.sleep(0.5)

    def next(self):
        self.signal = None
        gdb.execute("continue", to_string=True)
        return self.signal == "SIGSTOP" and not self.over


def set_up():
    for command in (
        "set pagination off",
        "set confirm off",
        "set debuginfod enabled off",
        "set backtrace past-main on",
        "set print thread-events off",
        "set breakpoint pending off",
        "handle all nostop noprint pass",
        "handle SIGSTOP stop print nopass",
    ):
        gdb.execute(command, to_string=True)


def main():
    pid = gdb.selected_inferior().pid
    wanted = int(os.environ["AGREE_STOPS"])
    set_up()
    places = Places(pid)
    gdb.events.new_objfile.connect(places.forget)
    gdb.events.clear_objfiles.connect(places.forget)
    stopper = subprocess.Popen(
        json.loads(os.environ["AGREE_STOPPER"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        if stopper.stdout.readline() != b"ready\n":
            raise gdb.GdbError("stop_at_allocations could not attach")
        stops = Stops(pid, float(os.environ["AGREE_SECONDS"]))
        count = 0
        with open(os.environ["AGREE_OUTPUT"], "w", encoding="utf-8") as output:
            while count < wanted and stops.next():
                stack = backtrace(places)
                output.write(json.dumps(stack) + "\n")
                # Where a probed call is pending there is nothing to compare.
                count += all(frame[0] != "[uprobes]" for frame in stack["frames"])
        stops.done = True
    finally:
        stopper.stdin.close()
        stopper.wait()
    gdb.execute("detach", to_string=True)


main()
