# SPDX-License-Identifier: Apache-2.0
"""`leakbpf detect`: what it found, whether that is right, and a table of it."""

import asyncio
import dataclasses
import json
import math
import pathlib
import tempfile

from processes import Failed, running, wait_for_line

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEVERITIES = ["none", "low", "medium", "high", "critical"]
NO_LEAK = {"none", "low"}
LEAK = {"medium", "high", "critical"}


def add_common_arguments(parser, seconds):
    parser.add_argument("--seconds", type=int, default=seconds, help=f"for detect ({seconds})")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--leakbpf", type=pathlib.Path, help="default: the one of --build")
    parser.add_argument("--exact", action="store_true", help="every block, for short runs")
    parser.add_argument("--keep", type=pathlib.Path, help="folder for the snapshots")


@dataclasses.dataclass
class Found:
    """The worst of the targets' verdicts."""

    status: int
    severity: str
    growth: float  # of the RSS, bytes per minute; not a number: unknown
    reason: str
    site: str  # the function that the first site is laid to

    def is_right(self, severities):
        return self.severity in severities and self.status == int(self.severity in LEAK)


def first_site(snapshot):
    for site in snapshot["sites"][:1]:
        if site["frames"]:
            return site["frames"][site["culprit"]]["function"] or "?"
    return "-"


def read_snapshot(path, status):
    snapshot = json.loads(path.read_text(encoding="utf-8"))

    def badness(target):
        severity = target["verdict"]["severity"]
        return SEVERITIES.index(severity) if severity else -1

    worst = max(snapshot["targets"], key=badness)
    growth = worst["rss_growth_bytes_per_min"]
    return Found(
        status,
        worst["verdict"]["severity"] or "unknown",
        math.nan if growth is None else growth,
        next(iter(worst["verdict"]["reasons"]), ""),
        first_site(snapshot),
    )


async def detect(arguments, name, pids, when_tracing=lambda: None):
    """What detect says of the processes; calls `when_tracing` when it has attached."""
    with tempfile.TemporaryDirectory() as folder:
        folder = arguments.keep or pathlib.Path(folder)
        output = folder / f"{name}.json"
        output.unlink(missing_ok=True)
        interval = min(10, max(1, arguments.seconds // 30))
        command = [arguments.leakbpf or arguments.build / "leakbpf"]
        command += ["detect", arguments.seconds, interval]
        command += ["--format", "json", "-o", output]
        command += ["--exact"] if arguments.exact else []
        command += ["-p", *pids]
        async with running(*command, stderr=asyncio.subprocess.PIPE) as tracer:
            await wait_for_line(tracer.stderr, "leakbpf: tracing", 60)
            when_tracing()
            try:
                _, said = await asyncio.wait_for(tracer.communicate(), 2 * arguments.seconds + 120)
            except asyncio.TimeoutError:
                raise Failed("leakbpf does not end") from None
        if tracer.returncode not in (0, 1) or not output.exists():
            said = said.decode(errors="replace")[-500:]
            raise Failed(f"leakbpf ended with {tracer.returncode}: {said}")
        return read_snapshot(output, tracer.returncode)


class Table:
    """One row when one is done."""

    def __init__(self, *columns):
        self.columns = columns
        self.wrong = 0
        self._print(*columns, "severity", "status", "MB/min", "", "first site: reason")

    def _print(self, *cells):
        widths = [14, 8, 10, 7, 9, 6] if len(self.columns) == 2 else [14, 10, 7, 9, 6]
        head = "".join(f"{cell!s:{width}}" for cell, width in zip(cells, widths))
        print(head + " ".join(str(cell) for cell in cells[len(widths) :]), flush=True)

    def add(self, names, found, severities):
        right = found.is_right(severities)
        self.wrong += not right
        reason = f"{found.site}: {found.reason}"
        if not right:
            reason += f"  (expected: {' or '.join(s for s in SEVERITIES if s in severities)})"
        growth = f"{found.growth / 2**20:+.2f}"
        self._print(
            *names, found.severity, found.status, growth, "right" if right else "WRONG", reason
        )

    def add_failure(self, names, error):
        self.wrong += 1
        self._print(*names, "-", "-", "-", "WRONG", error)
