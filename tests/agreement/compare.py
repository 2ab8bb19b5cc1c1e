# SPDX-License-Identifier: Apache-2.0
"""Compares gdb's backtraces with the stacks of a leakbpf snapshot, frame by frame.

A frame is a module and the offset in its file of the return address. Inlined calls are part of the
frame they lie in, for gdb as for leakbpf. A frame in memory without a file (code made at run time)
is ("", None).
"""

import collections
import json

from unwind_tables import has_unwind_rules

LEAKBPF_FRAMES = 127
ENDS = {"_start", "clone3", "__clone3", "clone", "__clone"}
PENDING = "[uprobes]"  # where the kernel has a probed call return to


class Snapshot:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        self.losses = content["losses"]
        self.whole = set()
        self.broken = {}  # frames: text of the note
        self.names = {}
        self.allocations = collections.Counter()  # by note, "" for whole ones
        for site in content["sites"]:
            if site["kind"] == "heap":
                self.add(site)
        self.call_sites = {frames[0] for frames in self.all() if frames}
        self.prefixes = {frames[:n] for frames in self.all() for n in range(1, len(frames) + 1)}

    def all(self):
        yield from self.whole
        yield from self.broken

    def add(self, site):
        frames = []
        note = ""
        for frame in site["frames"]:
            if frame["kind"] == "note":
                note = frame["function"]
            elif frame["kind"] == "native" and not (frame["inlined"] or frame.get("tail_call")):
                place = place_of(frame["module"], frame["offset"])
                frames.append(place)
                self.names[place] = frame["function"]
        self.allocations[note] += site["allocated_count"]
        if note:
            self.broken[tuple(frames)] = note
        else:
            self.whole.add(tuple(frames))

    def incomplete_percent(self):
        total = sum(self.allocations.values())
        return 100 * (total - self.allocations[""]) / total if total else 0.0


def place_of(module, offset):
    if not module or not (module.startswith("/") or module == "[vdso]"):
        return ("", None)
    return (module, int(offset, 16) if isinstance(offset, str) else offset)


class Backtrace:
    def __init__(self, record):
        self.names = [name for _, _, name in record["frames"]]
        self.pending = any(module == PENDING for module, _, _ in record["frames"])
        self.frames = tuple(place_of(module, offset) for module, offset, _ in record["frames"])
        self.end = record["end"]
        self.complete = "outermost" in self.end or (self.names and self.names[-1] in ENDS)

    def known(self):
        """The frames that gdb found by rules: beyond code that has none, it guesses."""
        for index, (module, offset) in enumerate(self.frames):
            if not module or not has_unwind_rules(module, offset):
                return self.frames[: index + 1]
        return self.frames


def common(a, b):
    count = 0
    for left, right in zip(a, b):
        if left != right:
            break
        count += 1
    return count


# Classes that say nothing about whether leakbpf is right, and those where it is.
NOT_COMPARED = (
    "a probed call was pending in gdb's stack",
    "gdb stopped early; equal until there",
)
EQUAL = ("equal", "equal until code without unwind rules", "equal; cut at leakbpf's limit")


class Comparison:
    def __init__(self, snapshot, stops):
        self.snapshot = snapshot
        self.classes = collections.Counter()
        self.examples = {}
        self.distinct = set()
        self.names = collections.Counter()
        self.name_examples = {}
        with open(stops, encoding="utf-8") as file:
            for line in file:
                self.add(Backtrace(json.loads(line)))

    def add(self, stack):
        self.distinct.add(stack.frames)
        name, detail = self.classify(stack)
        self.classes[name] += 1
        if name not in EQUAL:
            self.examples.setdefault(name, []).append((stack, detail))
        if name == "equal":
            self.compare_names(stack)

    def classify(self, stack):
        if stack.pending:
            return NOT_COMPARED[0], None
        if stack.frames in self.snapshot.whole:
            return "equal", None
        cut = stack.frames[:LEAKBPF_FRAMES]
        if len(stack.frames) > LEAKBPF_FRAMES and cut in self.snapshot.broken:
            return "equal; cut at leakbpf's limit", None
        known = stack.known()
        if len(known) < len(stack.frames) and known in self.snapshot.prefixes:
            return EQUAL[1], None
        if not stack.complete and self.equal_until_gdb_stopped(stack):
            return NOT_COMPARED[1], None
        return self.classify_difference(stack)

    def equal_until_gdb_stopped(self, stack):
        # The frame at which it gives up may be wrong itself.
        return len(stack.frames) > 1 and stack.frames[:-1] in self.snapshot.prefixes

    def classify_difference(self, stack):
        broken = [f for f in self.snapshot.broken if f and f == stack.frames[: len(f)]]
        if broken:
            longest = max(broken, key=len)
            return f"incomplete: {self.snapshot.broken[longest]}", longest
        if stack.frames[0] not in self.snapshot.call_sites:
            return "no stack of leakbpf begins there", None
        nearest = max(self.snapshot.all(), key=lambda frames: common(frames, stack.frames))
        return "different", nearest

    def compare_names(self, stack):
        for place, theirs in zip(stack.frames, stack.names):
            ours = self.snapshot.names.get(place)
            if not ours or not theirs:
                kind = "one has none"
            elif plain(ours) == plain(theirs):
                kind = "same"
            else:
                kind = "different"
                self.name_examples[(ours, theirs)] = place
            self.names[kind] += 1

    def compared(self):
        return sum(self.classes.values()) - sum(self.classes[name] for name in NOT_COMPARED)

    def equal(self):
        return sum(self.classes[name] for name in EQUAL)

    def percent(self):
        return 100 * self.equal() / self.compared() if self.compared() else 0.0


def plain(name):
    """Without parameters, template arguments, namespaces and marks of clones."""
    name = name.replace("(anonymous namespace)::", "").replace("operator()", "operator_call")
    name = name.split(" [clone")[0].removesuffix(" const")
    depth = 0
    kept = ""
    for char in name:
        depth += char in "<("
        if not depth:
            kept += char
        depth -= char in ">)" and depth > 0
    kept = kept.split("::")[-1].split("@")[0].split(" ")[-1].lstrip("_")
    for mark in (".cold", ".part", ".constprop", ".isra", ".lto_priv", ".localalias"):
        kept = kept.split(mark)[0]
    return kept.removesuffix("_impl")  # of glibc: __libc_start_main, ___dlopen and others
