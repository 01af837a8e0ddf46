"""Every subnet of low precision against its twin in fp32, as a suite's own sessions run them: how much faster, at
what cost to each task, and from which width on it no longer pays.

    python benchmarks/twins.py out/suites/redkitchen-mobilenetv2.pliant --out benchmarks/results

Twins have the same widths. Their calls take turns in one process, one image, one thread; a ratio is the median of
pairs. Quality is what the export measured, all alike. Writes `twins-<suite>-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any

import pliant
from pliant.benchmarks.dated import save_dated
from pliant.benchmarks.paired import paired
from pliant.export.mixing import relative_drop
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.suite import Suite

Entry = dict[str, Any]


def main() -> int:
    """Time all twins of some suites, print and keep the figures."""
    parser = argparse.ArgumentParser(description="Subnets of low precision against their twins in fp32.")
    parser.add_argument("suites", nargs="+", type=Path)
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    for path in chosen.suites:
        with pliant.open_suite(path) as suite:
            rows = [_row(suite, *pair, chosen.pairs, chosen.threads) for pair in twins(suite)]
            tasks = list(suite.tasks)
        if not rows:
            print(f"{path} has no subnet of low precision with a twin in fp32", file=sys.stderr)
            return 1
        print(_table(rows, tasks), _summary(rows), sep="\n\n")
        entry = {"suite": path.stem, "threads": chosen.threads, "pairs": chosen.pairs, "rows": rows}
        print(save_dated(f"twins-{path.stem}", chosen.out, f"python {shlex.join(sys.argv)}", entry))
    return 0


def twins(suite: Suite) -> list[tuple[SubnetInfo, SubnetInfo]]:
    """(of low precision, in fp32), the cheapest first."""
    fp32 = {_widths(subnet): subnet for subnet in suite.subnets if subnet.precision == "fp32"}
    low = [subnet for subnet in suite.subnets if subnet.precision != "fp32" and _widths(subnet) in fp32]
    return sorted(((each, fp32[_widths(each)]) for each in low), key=lambda pair: pair[0].macs)


def _widths(subnet: SubnetInfo) -> tuple[Any, ...]:
    return (*subnet.widths.encoder, *sorted(subnet.widths.decoders.items()))


def _row(suite: Suite, low: SubnetInfo, fp32: SubnetInfo, pairs: int, threads: int) -> Entry:
    image = suite.witness_input()
    with suite.load(low.id, threads=threads) as one, suite.load(fp32.id, threads=threads) as other:
        timed = paired(lambda: one(image), lambda: other(image), pairs)
    drops = {
        name: relative_drop(task, fp32.quality[name].value, low.quality[name].value)
        for name, task in suite.tasks.items()
    }
    return {
        "id": low.id,
        "twin": fp32.id,
        "precision": low.precision,
        "macs": low.macs,
        "ms": timed["ours_ms"],
        "fp32_ms": timed["theirs_ms"],
        "faster": 1 / timed["ratio"],
        "faster_p25": 1 / timed["ratio_p75"],
        "faster_p75": 1 / timed["ratio_p25"],
        "drops": drops,
    }


def _table(rows: list[Entry], tasks: list[str]) -> str:
    lines = [f"| subnet | macs | fp32 | {' | '.join(('here', 'faster', *tasks))} |", "|---" * (5 + len(tasks)) + "|"]
    for row in rows:
        faster = f"{row['faster']:.2f} ({row['faster_p25']:.2f} to {row['faster_p75']:.2f})"
        drops = " | ".join(f"{row['drops'][task]:+.2%}" for task in tasks)
        times = f"{row['fp32_ms']:.2f} ms | {row['ms']:.2f} ms"
        lines.append(f"| {row['id']} | {row['macs'] / 1e6:.0f} M | {times} | {faster} | {drops} |")
    return "\n".join(lines)


def _summary(rows: list[Entry]) -> str:
    faster = [row["faster"] for row in rows]
    worst = max(max(row["drops"].values()) for row in rows)
    slower = [row["id"] for row in rows if row["faster"] <= 1]
    return (
        f"faster at the widest {faster[-1]:.2f}, median {statistics.median(faster):.2f}; worst loss of a task "
        f"{worst:+.2%}; no faster than their twins: {', '.join(slower) or 'none'}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
