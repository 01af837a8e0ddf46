"""`make bench-search`: every method on every trained supernet, then the dated file, its tables and its plot."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from pliant import PliantError
from pliant.models.cost import CostModel
from pliant.search.algorithms.archive import Archive
from pliant.search.algorithms.interface import Problem

from ..dated import hardware_name
from ..reporting import put_report
from ..training.methods import SUBJECTS
from .effort import Counted
from .methods import METHODS
from .report import tables
from .results import new_entry, plot_results, with_kept, write_results
from .score import Ends, control, hypervolume, protocol
from .subjects import REAL, Groups, NotTrained, trained
from .truth import Truth

Entry = dict[str, Any]


def main() -> int:
    """Run all; 1 where none of the supernets is trained, or one of them could not be run to the end."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.search")
    parser.add_argument("--data", nargs="+", choices=SUBJECTS, default=list(REAL))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--evaluations", type=int, default=40, help="encoders, or subnets, that a method may evaluate")
    parser.add_argument("--work", type=Path, default=Path("out/bench-training"), help="where supernets were trained")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="a page with markers, which is given the tables")
    chosen = parser.parse_args()
    entry = new_entry(_command(chosen), hardware_name(), time.strftime("%Y-%m-%d"), chosen.evaluations)
    try:
        with_kept(entry, chosen.results)  # what cannot be brought together is found out before the work
    except PliantError as error:
        print(error, file=sys.stderr)
        return 1
    failed = False
    for data in chosen.data:
        failed = not _tried(data, chosen, entry) or failed
        if entry["rows"]:
            path = write_results(entry, chosen.results)
            print(path, plot_results(path), sep="\n", file=sys.stderr)
            if chosen.docs:
                put_report(chosen.docs, "search", path, tables)
    if entry["rows"]:
        print(tables(entry), end="")
    return 1 if failed or not entry["rows"] else 0


def _tried(data: str, chosen: argparse.Namespace, entry: Entry) -> bool:
    """Run on one data set; whether that went well, as it also does where there is no supernet to run on."""
    try:
        _run(data, chosen, entry)
    except PliantError as error:
        print(f"{data} is left out: {error}", file=sys.stderr)
        return isinstance(error, NotTrained)
    return True


def _command(chosen: argparse.Namespace) -> str:
    given = {"data": chosen.data, "methods": chosen.methods, "seeds": chosen.seeds, "evaluations": [chosen.evaluations]}
    return f"python -m {__package__} " + " ".join(f"--{key} {' '.join(map(str, what))}" for key, what in given.items())


def _run(data: str, chosen: argparse.Namespace, entry: Entry) -> None:
    """Every method and seed on one supernet; adds to the entry."""
    checkpoint = trained(data, chosen.work)
    truth = Truth(checkpoint, data, chosen.results / "search")
    try:
        models, fits = truth.latency_models()
        entry["latency"][data] = {
            precision: {"held_out_error": fit.error, "held_out_tau": fit.tau} for precision, fit in fits.items()
        }
        groups = Groups.of(checkpoint.tasks)
        problem = Problem(
            checkpoint.space,
            checkpoint.tasks,
            CostModel(checkpoint.supernet),
            truth.source,
            protocol(groups),
            chosen.evaluations,
            latency=models,
            parts=tuple(models),
        )
        both = Archive(problem, lambda _archive, _trunk: ())
        ends = Ends(both.narrowest, both.widest)
        for name in chosen.methods:
            for seed in chosen.seeds:
                add(entry, _row(data, name, seed, problem, ends, groups, truth), chosen.results)
        if (learned := truth.quality_fit()) is not None:
            entry["quality"][data] = {"held_out_error": learned.error, "held_out_tau": learned.tau}
    finally:
        truth.close()


def add(entry: Entry, row: Entry, folder: Path) -> None:
    """Add a row, and write it down at once: what fails later loses nothing of it."""
    entry["rows"].append(row)
    write_results(entry, folder)


def _row(data: str, name: str, seed: int, problem: Problem, ends: Ends, groups: Groups, truth: Truth) -> Entry:
    began, ran = time.perf_counter(), truth.measured
    counted = Counted(problem.source, problem)
    outcome = METHODS[name](replace(problem, seed=seed, source=counted))
    seconds, fresh = time.perf_counter() - began, truth.measured - ran
    steered = control(problem, outcome, ends, groups)
    row = {
        "data": data,
        "method": name,
        "seed": seed,
        "evaluations": outcome.found.evaluations,
        "evaluated_macs": counted.macs,
        **hypervolume(problem, outcome, ends, groups, truth),
        "uniformity": steered.uniformity,
        "control": steered.control,
        "response": steered.response,
        "control_by_budget": list(steered.by_budget),
        "control_references": dict(steered.references),
    }
    print(
        f"{data} {name} {seed}: control {steered.control:.4f}, hypervolume {row['hypervolume']:.4f} "
        f"({seconds:.0f} s, {fresh} encoders measured anew)",
        file=sys.stderr,
        flush=True,
    )
    return row


if __name__ == "__main__":
    raise SystemExit(main())
