"""How far the peaks of memory of one subnet differ from process to process: the room that plans leave under a limit.

    python benchmarks/peaks.py scenes.pliant --subnets s01-int8 s52-fp32 --processes 12 --out benchmarks/results

Each process loads the subnet and runs it, as for a plan (`runtime/planning/memory.py`). Writes
`peaks-<hardware>-<date>.json`, with the largest over the smallest of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pliant
from pliant.benchmarks.dated import save_dated
from pliant.runtime.planning.memory import measure_memory


def main() -> int:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description="How far peaks of memory differ from process to process.")
    parser.add_argument("suite", type=Path)
    parser.add_argument("--subnets", nargs="+", required=True)
    parser.add_argument("--processes", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    with pliant.open_suite(chosen.suite) as suite:
        tasks = tuple(suite.tasks)
    peaks: dict[str, list[int]] = {each: [] for each in chosen.subnets}
    for _ in range(chosen.processes):
        found = measure_memory(chosen.suite, chosen.subnets, tasks, threads=chosen.threads)
        for each, use in found.items():
            peaks[each].append(use.peak)
    rows: list[dict[str, Any]] = [
        {"id": each, "peaks": values, "largest_by_smallest": max(values) / min(values)}
        for each, values in peaks.items()
    ]
    for row in rows:
        low, high = min(row["peaks"]) / 1e6, max(row["peaks"]) / 1e6
        print(f"{row['id']}: {low:.1f} to {high:.1f} MB, {row['largest_by_smallest'] - 1:.1%} apart")
    words = f"--subnets {' '.join(chosen.subnets)} --processes {chosen.processes} --threads {chosen.threads}"
    command = f"python benchmarks/peaks.py {chosen.suite.name} {words}"
    print(save_dated("peaks", chosen.out, command, {"suite": chosen.suite.stem, "rows": rows}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
