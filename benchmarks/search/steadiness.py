"""Which statistic of a subnet's runs a search should compare: how well it repeats, and how well it can be learned.

Subnets from all over the space are timed twice: with nothing else of ours on the machine, and with every second core
busy.

python -m pliant.benchmarks.search.steadiness --work out/bench-training --results benchmarks/results
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pliant.devices.fingerprint import read_fingerprint
from pliant.models.space import SubnetConfig
from pliant.search.latency.clock import probes
from pliant.search.latency.model import LatencyModel
from pliant.search.latency.timing import Timer, quickest_tenth
from pliant.search.pace import Timed, at_one_pace
from pliant.training.checkpoints.checkpoint import Checkpoint

from ..dated import save_dated
from ..reporting import table
from .subjects import REAL, rows_of

STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "quickest": min,
    "quickest tenth": quickest_tenth,
    **{f"p{100 * q:g}": partial(np.quantile, q=q) for q in (0.05, 0.1, 0.25, 0.5)},
}
HEAD = ("data", "statistic", "off, idle", "tau, idle", "off, busy", "tau, busy", "busy over idle", "differ by")
Runs = list[tuple[Sequence[SubnetConfig], dict[SubnetConfig, list[float]]]]
"""By group: its subnets, and the times of all that ran beside each other."""


def main() -> int:
    """Measure all that are chosen; print a table and write the dated file. 1 where there was nothing to measure."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.search.steadiness")
    parser.add_argument("--data", nargs="+", choices=REAL, default=list(REAL))
    parser.add_argument("--work", type=Path, default=Path("out/bench-training"), help="where supernets were trained")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    rows, failed = rows_of(chosen.data, chosen.work, _rows)
    if rows:
        command = f"python -m {__package__}.steadiness --data {' '.join(chosen.data)}"
        print(table(list(HEAD), list(map(_cells, rows))))
        print(save_dated("latency-statistics", chosen.results, command, {"rows": rows}), file=sys.stderr)
    return 1 if failed or not rows else 0


def _rows(data: str, checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Of each statistic: error and rank correlation of held-out subnets, and how far both measurements agree."""
    timer, configs = Timer(checkpoint.supernet, threads=1), probes(checkpoint.space)
    load = os.getloadavg()[0]  # of the minute before: what else was running
    runs = {"idle": list(timer.in_turns(configs))}
    with _half_of_the_cores_busy():
        runs["busy"] = list(timer.in_turns(configs))
    rows = []
    for level, name in itertools.product((False, True), STATISTICS):
        values_of = partial(_values, checkpoint.space.widest, STATISTICS[name], level)
        origin = {"data": data, "subnets": len(configs), "statistic": name, "at_one_pace": level, "load": load}
        rows.append({**origin, **_row(checkpoint, runs, values_of)})
    return rows


def _values(
    widest: SubnetConfig, statistic: Callable[[list[float]], float], level: bool, runs: Runs
) -> dict[SubnetConfig, float]:
    """What a search would learn from: the statistic as it is, or at one pace."""
    timed = {
        config: Timed(float(statistic(times[config])), float(statistic(times[widest])))
        for group, times in runs
        for config in group
    }
    return at_one_pace(timed) if level else {config: each.milliseconds for config, each in timed.items()}


def _row(
    checkpoint: Checkpoint, runs: Mapping[str, Runs], values_of: Callable[[Runs], dict[SubnetConfig, float]]
) -> dict[str, float]:
    values = {when: values_of(each) for when, each in runs.items()}
    row: dict[str, float] = {}
    for when, each in values.items():
        fit = LatencyModel.held_out(checkpoint.space, checkpoint.tasks, each)
        row |= {f"{when}_held_out_error": fit.error, f"{when}_held_out_tau": fit.tau}
    ratios = np.array([values["busy"][config] / value for config, value in values["idle"].items()])
    middle = float(np.median(ratios))
    return {**row, "busy_over_idle": middle, "difference": float(np.abs(ratios / middle - 1.0).mean())}


@contextmanager
def _half_of_the_cores_busy() -> Iterator[None]:
    """Half as many processes as there are cores, each at work."""
    context, count = multiprocessing.get_context("spawn"), -(-read_fingerprint().cores // 2)
    begun = context.Barrier(count + 1)
    workers = [context.Process(target=_work, args=(begun,), daemon=True) for _ in range(count)]
    for each in workers:
        each.start()
    begun.wait()
    try:
        yield
        assert all(each.is_alive() for each in workers), "the machine was not kept busy"
    finally:
        for each in workers:
            each.terminate()
            each.join()


def _work(begun: Any) -> None:
    """One thread's work, of arithmetic and of memory; a product of matrices would take all cores."""
    values = np.random.default_rng(0).standard_normal(200_000)
    begun.wait()
    while True:
        np.sort(np.tanh(values))


def _cells(row: Mapping[str, Any]) -> list[str]:
    shares = [
        f"{row['idle_held_out_error']:.1%}",
        f"{row['idle_held_out_tau']:.3f}",
        f"{row['busy_held_out_error']:.1%}",
        f"{row['busy_held_out_tau']:.3f}",
        f"{row['busy_over_idle']:.2f}",
        f"{row['difference']:.1%}",
    ]
    name = row["statistic"] + (", at one pace" if row["at_one_pace"] else "")
    return [row["data"], name, *shares]


if __name__ == "__main__":
    raise SystemExit(main())
