# SPDX-License-Identifier: Apache-2.0
"""Runs of leakbpf in which calls are made to fail, and what is right at their ends."""

import dataclasses
import errno
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import tempfile
import time

import traces

most_seconds = 40  # a run that takes longer hangs
trace_seconds = 15  # in which a target is traced, or it is said why not
system_messages = {os.strerror(number) for number in errno.errorcode}


@dataclasses.dataclass
class Outcome:
    """How one run ended."""

    status: int | None = None  # None: it had to be killed
    said: str = ""  # on standard error
    output: bytes = b""
    problems: list = dataclasses.field(default_factory=list)

    def warned(self):
        return "leakbpf: warning:" in self.said


class Lines:
    """Lines of a pipe, with a time limit; what came before the awaited one is kept."""

    def __init__(self, stream):
        self.stream = stream
        self.text = ""

    def wait_for(self, prefixes, seconds):
        """The first line that begins so; None when the stream ends or time runs out."""
        deadline = time.monotonic() + seconds
        at = 0
        while True:
            while (end := self.text.find("\n", at)) >= 0:
                line, at = self.text[at:end], end + 1
                if line.startswith(prefixes):
                    return line
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.stream], [], [], left)[0]:
                return None
            chunk = os.read(self.stream.fileno(), 65536)
            if not chunk:
                return None
            self.text += chunk.decode(errors="replace")


class Scenario:
    """leakbpf with these arguments beside a target that takes what it takes after it is traced."""

    def __init__(self, name, build, arguments, target=None, *, ledger=False, before_end=0.0,
                 early_end=True, command_status=0, words=b"go\n", blocks=None):
        self.name = name
        self.build = build
        self.arguments = arguments
        self.target = target
        self.ledger = ledger  # the target tells what it keeps, and all of it is followed
        self.before_end = before_end  # seconds from the target's "done" on
        self.early_end = early_end  # ended by SIGINT; else by itself
        self.command_status = command_status  # of `run`, when tracing did not fail
        self.words = words
        self.blocks = blocks  # a word in the frames of what is kept, and how many blocks that are

    def run(self, environment):
        """One run."""
        with tempfile.TemporaryDirectory(prefix="leakbpf-faults-") as folder:
            return self.run_in(pathlib.Path(folder), environment)

    def run_in(self, folder, environment):
        target = None
        try:
            if self.target:
                target = Target([str(word).format(own=folder.name) for word in self.target])
            return self.trace(folder, environment, target)
        finally:
            if target:
                target.end()

    def trace(self, folder, environment, target):
        output = folder / "out.json"
        fill = {"pid": target.pid if target else 0, "output": output, "own": folder.name}
        command = [str(word).format(**fill) for word in self.arguments]
        outcome = Outcome()
        leakbpf = subprocess.Popen(
            [self.build / "leakbpf", *command],
            stdin=subprocess.DEVNULL,
            stdout=open(folder / "out.json.stdout", "wb"),
            stderr=subprocess.PIPE,
            env={**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": "", **environment},
        )
        said = Lines(leakbpf.stderr)
        ledger = self.let_it_trace(leakbpf, said, target)
        outcome.status = self.wait_end(leakbpf, said, outcome)
        outcome.said = said.text
        outcome.output = (folder / "out.json.stdout").read_bytes()
        self.check(outcome, target)
        odd = traces.odd_files(folder, {"out.json", "out.json.stdout"})
        if odd:
            outcome.problems.append(f"left files: {', '.join(odd)}")
        self.check_output(outcome, output, target, ledger)
        return outcome

    def let_it_trace(self, leakbpf, said, target):
        """The target's ledger, once leakbpf has followed all of it."""
        if not target:
            return None
        if not said.wait_for("leakbpf: tracing", trace_seconds):
            if self.early_end:
                leakbpf.send_signal(signal.SIGINT)  # it may wait for another target
            return None
        ledger = target.go(self.words)
        if self.early_end:
            time.sleep(self.before_end)
            leakbpf.send_signal(signal.SIGINT)
        return ledger

    def wait_end(self, leakbpf, said, outcome):
        said.wait_for("\0", most_seconds)  # to the end of the stream
        try:
            return leakbpf.wait(2)
        except subprocess.TimeoutExpired:
            outcome.problems.append(f"hangs: {where_it_waits(leakbpf.pid)}")
            leakbpf.kill()
            leakbpf.wait()
            return None

    def check(self, outcome, target):
        """What is right for every run."""
        status = outcome.status
        if status is not None and status not in range(0, 7):
            outcome.problems.append(f"exit status {status}")
        error = re.search("leakbpf: error: (.*)", outcome.said)
        # The end of a target (5) is told in the output.
        if status in {2, 3, 4, 6} - {self.command_status} and not error:
            outcome.problems.append(f"exit status {status} without an error")
        if error and (error[1] in system_messages or "std::" in error[1]):
            outcome.problems.append(f"does not say what failed: {error[1]}")
        backend = "perf" if "perf" in self.arguments else "session"
        if left := traces.left_behind(target.pid if target else None, backend):
            outcome.problems.append(f"left in the kernel: {left}")
        if target and not target.is_alive():
            outcome.problems.append("the target has died")
        elif target and re.search(f"PID {target.pid}( ended|$)|has ended", outcome.said):
            outcome.problems.append("says that the target has ended")

    def check_output(self, outcome, output, target, ledger):
        """A snapshot is whole, and right or with what it lacks."""
        if "{output}" not in self.arguments:
            return
        if not output.exists():
            if outcome.status in (0, 1):
                outcome.problems.append("no snapshot, and no error")
            return
        try:
            snapshot = json.loads(output.read_bytes())
            sums = sum_sites(snapshot, target.pid if target else None)
        except (ValueError, KeyError) as error:
            outcome.problems.append(f"a damaged snapshot: {error}")
            return
        if outcome.status not in (0, 1, 5, self.command_status):
            outcome.problems.append(f"a snapshot in spite of exit status {outcome.status}")
        if target and any(t["ended"] for t in snapshot["targets"] if t["pid"] == target.pid):
            outcome.problems.append("the snapshot says that the target has ended")
        lost = {name: count for name, count in snapshot["losses"].items() if count}
        if self.ledger and not ledger and not outcome.warned():
            outcome.problems.append("does not trace, without a word")
        if self.ledger and ledger and sums != ledger and not lost and not outcome.warned():
            outcome.problems.append(f"wrong sums without a word: {sums}, not {ledger}")
        if self.blocks and not lost and not outcome.warned():
            word, count = self.blocks
            found = sum(s["outstanding_count"] for s in snapshot["sites"]
                        if word in json.dumps(s["frames"]))
            if found < count:
                outcome.problems.append(f"{found} blocks of {word} without a word, fewer than {count}")


class Target:
    """A program that says "ready", begins at a line, tells its ledger, says "done", and stays."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self.process.pid
        self.lines = Lines(self.process.stdout)
        if not self.lines.wait_for("ready", most_seconds):
            raise RuntimeError(f"{command[0]} is not ready")

    def go(self, words):
        self.process.stdin.write(words)
        self.process.stdin.flush()
        if not self.lines.wait_for("done", most_seconds):
            raise RuntimeError("the target is not done")
        told = [line.split() for line in self.lines.text.splitlines()]
        kinds = ("heap", "mmap", "brk")
        return {w[0]: (int(w[1]), int(w[2])) for w in told if len(w) == 3 and w[0] in kinds}

    def is_alive(self):
        return self.process.poll() is None

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def sum_sites(snapshot, pid):
    sums = {kind: [0, 0] for kind in ("heap", "mmap", "brk")}
    for site in snapshot["sites"]:
        if site["kind"] in sums and pid in (None, site["pid"]):
            sums[site["kind"]][0] += site["outstanding_bytes"]
            sums[site["kind"]][1] += site["outstanding_count"]
    return {kind: tuple(sum) for kind, sum in sums.items()}


def where_it_waits(pid):
    threads = pathlib.Path(f"/proc/{pid}/task").glob("*/wchan")
    return ", ".join(sorted({path.read_text(encoding="ascii") or "running" for path in threads}))


def all_scenarios(build, samples):
    """By name. `samples`: a folder with snapshots to report and compare."""
    ledger = build / "tests/programs/ledger"
    busy = build / "tests/programs/busy_loop"
    python = ["python3", pathlib.Path(__file__).parent / "keeps_objects.py"]
    exact = ["snapshot", "--exact", "-o", "{output}", "-p", "{pid}"]
    made = [
        Scenario(backend, build, [*exact, "--backend", backend], [ledger, "mmap", "50"],
                 ledger=True)
        for backend in ("session", "multi", "perf")
    ]
    made += [
        Scenario("heap", build, exact, [ledger, "malloc", "50"], ledger=True),
        Scenario("fork", build, exact, [ledger, "fork", "50"], ledger=True,
                 words=b"go\ntraced\n"),
        Scenario("python", build, exact, python, before_end=0.3,
                 blocks=('"keep"', 200)),
        Scenario("windows", build,
                 ["snapshot", "--max-overhead", "1", "-d", "3", "-o", "{output}", "-p", "{pid}"],
                 [busy], early_end=False),
        Scenario("name", build, ["snapshot", "--exact", "-o", "{output}", "--name",
                                 "{own}$"],
                 [ledger, "malloc", "50", "{own}"], ledger=True),
        Scenario("pages", build, ["snapshot", "--kinds", "heap,pages", "--exact", "-o", "{output}",
                                  "-p", "{pid}"], [ledger, "malloc", "50"]),
        Scenario("top", build, ["-p", "{pid}", "-i", "0.2", "-d", "1.5", "--stacks"],
                 [ledger, "malloc", "50"], early_end=False),
        Scenario("detect", build, ["detect", "5", "1", "-p", "{pid}"], [ledger, "malloc", "50"],
                 early_end=False),
        Scenario("run", build, ["run", "-o", "{output}", "--", ledger.parent / "leaks_at_once"],
                 command_status=3, blocks=("leaks_at_once", 100)),
        Scenario("doctor", build, ["doctor"]),
        Scenario("doctor-pid", build, ["doctor", "-p", "{pid}"], [ledger, "malloc", "50"],
                 early_end=False),
        Scenario("report", build, ["report", samples / "before.json"]),
        Scenario("report-compact", build, ["report", samples / "after.leakbpf", "--format", "html"]),
        Scenario("report-file", build, ["report", samples / "after.leakbpf", "--format", "json",
                                        "-o", "{output}"]),
        Scenario("diff", build, ["diff", samples / "before.json", samples / "after.leakbpf"]),
    ]
    return {scenario.name: scenario for scenario in made}
