# SPDX-License-Identifier: Apache-2.0
"""Compares snapshots with the ledgers of leak_among_churn: `accuracy.py FOLDER` of N.json and
N.ledger. Prints how often the leak is the first row, and how often its rate is right."""

import json
import pathlib
import statistics
import sys

LEAK = "leak_here"
TOLERANCE = 0.15


def read_ledger(path):
    """Bytes that leak per minute, blocks that churn per second."""
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith("leaked "):
            leaked, seconds, blocks = map(float, line.split()[1:])
            return 60 * leaked / seconds, blocks / seconds
    raise ValueError(f"{path.name}: no ledger")


def culprit(site):
    at = site["culprit"]
    return (site["frames"][at]["function"] or "") if at is not None and site["frames"] else ""


def judge(path, truth):
    """The leak's row, counted from one, and its rate divided by the true one; None: there is none."""
    sites = json.loads(path.read_text(encoding="utf-8"))["sites"]
    for row, site in enumerate(sites, 1):
        if LEAK in culprit(site):
            growth = site["growth_bytes_per_min"]
            return row, None if growth is None else growth / truth
    return None, None


def main(folder):
    ledgers = sorted(pathlib.Path(folder).glob("*.ledger"), key=lambda path: int(path.stem))
    results, churns = [], []
    for ledger in ledgers:
        try:
            truth, churn = read_ledger(ledger)
            churns.append(churn)
            results.append(judge(ledger.with_suffix(".json"), truth))
        except (OSError, ValueError, KeyError) as error:
            print(f"program {ledger.stem}: {error}")
            results.append((None, None))
    ratios = [ratio for _, ratio in results if ratio is not None]
    first = sum(row == 1 for row, _ in results)
    right = sum(abs(ratio - 1) <= TOLERANCE for ratio in ratios)
    print(f"{'the leak is the first row':32} {first:>4} of {len(results)}")
    print(f"{'its rate is within 15%':32} {right:>4} of {len(results)}")
    if ratios:
        print(
            f"{'rate / true rate':32} {statistics.median(ratios):12.3f}"
            f"  ({min(ratios):.3f}..{max(ratios):.3f})"
        )
    if churns:
        print(f"{'blocks per second, as traced':32} {statistics.median(churns):12,.0f}")


main(sys.argv[1])
