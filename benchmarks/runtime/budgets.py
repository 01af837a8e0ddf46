"""Are budgets met? Random requests are planned; then what was chosen is measured again, and compared with brute force.

The first plan for a set of tasks measures what it needs; the others go on from the kept profile. Afterwards the chosen
subnet and the best of those that were rejected as too slow are measured again, interleaved, by the same estimator.
Beside them a control, a session of onnxruntime alone that was measured when the plan was there too, tells whether the
machine held still.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.measure import Measurement, measure
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.heap import release_memory
from pliant.runtime.planning.book import CHECK, CONFIRM, Book
from pliant.runtime.planning.memory import measure_memory
from pliant.runtime.session import load_subnet
from pliant.runtime.suite import Suite

from ..bench import bare
from ..reporting import Entry
from .requests import QUANTILES, Range, Request, draw, range_of, subsets
from .telling import tell
from .truth import Known, best, fits, order

Call = Callable[[], object]

CONTROL = "control"
# Rejected subnets that are measured again beside the chosen one.
BESIDE = 2
# How far over its limit a choice may be that is counted apart: what a machine drifts by from one minute to the next.
NEARLY = 0.02
# How far the control may move between a plan and what is measured afterwards, on a machine that is said to hold still.
STEADY = 0.05


def options(parser: argparse.ArgumentParser) -> None:
    """What this part is asked for."""
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--subsets", type=int, default=3, help="sets of tasks; each is measured on its first use")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)


def run(chosen: argparse.Namespace) -> Entry:
    """First uses, then all requests; Ctrl-C ends it with what there is."""
    rng = np.random.default_rng(chosen.seed)
    with pliant.open_suite(chosen.suite) as suite, tempfile.TemporaryDirectory() as folder:
        entry: Entry = {"suite": suite.path.name, "subnets": len(suite.subnets), "first": [], "rows": []}
        try:
            ranges = {tasks: range_of(suite, tasks, chosen.threads) for tasks in subsets(suite, chosen.subsets, rng)}
            for quantile in QUANTILES:
                entry["first"].append(first_use(suite, ranges[None], quantile, chosen.threads))
            cache = MeasurementCache(Path(folder) / "cache")
            control = bystander(suite, Path(folder), chosen.threads)
            for index, request in enumerate(draw(suite, ranges, chosen.requests, rng)):
                entry["rows"].append(row(suite, request, cache, control, chosen.threads))
                met = sum(each["met"] for each in entry["rows"])
                tell(f"{index + 1} of {chosen.requests} requests, {met} met")
        except KeyboardInterrupt:
            entry["interrupted"] = True
    return entry | {"totals": totals(entry["rows"])}


def first_use(suite: Suite, reach: Range, quantile: float, threads: int) -> Entry:
    """A plan on a machine that knows nothing of the suite, with a limit in the middle of what subnets take."""
    request = Request(None, float(np.sqrt(np.prod(reach.latency_ms))), quantile)
    with tempfile.TemporaryDirectory() as folder:
        cache = MeasurementCache(folder)
        found = planned(suite, request, cache, threads)
        kept = Book(suite, tuple(suite.tasks), threads=threads, cache=cache).profile.latency.values()
        tell(f"first use at p{quantile * 100:g}: {found['seconds']:.1f} s")
        return {
            "quantile": quantile,
            "limit_ms": request.latency_ms,
            "seconds": found["seconds"],
            "measured": len(kept),
            "settled": sum(each.settled(quantile) for each in kept),
            "runs": sum(each.runs for each in kept),
        }


def planned(suite: Suite, request: Request, cache: MeasurementCache, threads: int) -> Entry:
    """What a plan answers, and how long it takes to."""
    began = time.perf_counter()
    try:
        plan = suite.plan(**request.words(), threads=threads, cache=cache)
    except pliant.NoSubnetFits as error:
        answer: Entry = {"chosen": None, "nearest": error.nearest, "planned_ms": None, "score": None}
    else:
        if plan.latency_ms is None or plan.latency_ms.kind != "measured":
            raise RuntimeError(f"a plan with a latency limit rests on {plan.latency_ms}")
        answer = {"chosen": plan.subnet.id, "planned_ms": plan.latency_ms.value, "score": plan.score}
    return {"seconds": time.perf_counter() - began, **answer}


def bystander(suite: Suite, folder: Path, threads: int) -> Call:
    """A call of a subnet in the middle, by onnxruntime alone."""
    middle = sorted(suite.subnets, key=lambda each: each.macs)[len(suite.subnets) // 2]
    session = bare(suite.extract(middle.id, folder / "control.onnx")[0], threads)
    image = {"images": suite.witness_input()}
    return lambda: session.run(None, image)


def row(suite: Suite, request: Request, cache: MeasurementCache, control: Call, threads: int) -> Entry:
    """One request: the plan, the choice by brute force, and what both take afterwards."""
    found = planned(suite, request, cache, threads)
    before = measure({CONTROL: control}, quantile=request.quantile, effort=CHECK)[CONTROL]
    book = Book(suite, request.names(suite), threads=threads, cache=cache)
    known = Known(book.latency, book.memory, book.profile.repeats)
    truth = best(suite, request, known)
    beside = _too_slow(suite, request, known, found["chosen"])
    judged = suite.subnet(found["chosen"]) if found["chosen"] else None
    after = remeasured(suite, [*([judged] if judged else []), *beside], control, request, threads)
    answer = {
        **_asked(request),
        **found,
        "agrees": truth.best == found["chosen"] and not truth.unproven,
        "brute_force": truth.best,
        "unproven": list(truth.unproven),
        "missed": [each.id for each in beside if after[each.id] <= request.latency_ms],
        "control": after[CONTROL] / _value(before, request.quantile),
    }
    if judged is None:
        # Refused: right where what came nearest is too slow indeed.
        return {**answer, "after_ms": None, "met": not answer["missed"]}
    answer["after_ms"] = after[judged.id]
    answer["over"] = after[judged.id] / request.latency_ms - 1.0
    answer |= _memory(suite, request, judged, threads)
    return {**answer, "met": answer["over"] <= 0.0 and answer.get("memory_over", 0.0) <= 0.0}


def _asked(request: Request) -> Entry:
    return {
        "tasks": request.tasks and list(request.tasks),
        "limit_ms": request.latency_ms,
        "quantile": request.quantile,
        "limit_bytes": request.memory_bytes,
        "prefer": request.prefer,
        "floors": request.floors,
    }


def _too_slow(suite: Suite, request: Request, known: Known, chosen: str | None) -> list[SubnetInfo]:
    """Of those that rank above the chosen one and miss by their latency alone: by least first, and one not measured."""
    patient = replace(request, latency_ms=float("inf"))
    slow: list[tuple[float, SubnetInfo]] = []
    unmeasured: list[SubnetInfo] = []
    for subnet in order(suite, request):
        if subnet.id == chosen:
            break
        found = known.latency(subnet)
        if fits(suite, subnet, patient, known) is False or fits(suite, subnet, request, known) is not False:
            continue
        if found:
            slow.append((found.at_least(request.quantile), subnet))
        else:
            unmeasured.append(subnet)
    nearest = [subnet for _, subnet in sorted(slow, key=lambda pair: pair[0])[:BESIDE]]
    return [*nearest, *sorted(unmeasured, key=lambda each: each.macs)[:1]]


def remeasured(
    suite: Suite, subnets: Sequence[SubnetInfo], control: Call, request: Request, threads: int
) -> dict[str, float]:
    """Milliseconds at the request's quantile, measured now, in turns, as a plan confirms its choice."""
    image, names = suite.witness_input(), request.names(suite)
    sessions = {each.id: load_subnet(suite, each, names, threads=threads, quiet=True) for each in subnets}
    calls: dict[str, Call] = {name: partial(each.run, image) for name, each in sessions.items()}
    calls[CONTROL] = control
    release_memory()
    times = measure(calls, quantile=request.quantile, effort=replace(CONFIRM, seconds=CONFIRM.seconds * len(calls)))
    return {name: _value(found, request.quantile) for name, found in times.items()}


def _value(found: Measurement, quantile: float) -> float:
    value = found.at(quantile)
    if value is None:
        raise RuntimeError(f"{found.runs} runs do not carry a quantile of {quantile:g}")
    return value


def _memory(suite: Suite, request: Request, judged: SubnetInfo, threads: int) -> Entry:
    if request.memory_bytes is None:
        return {}
    use = measure_memory(Path(suite.path), [judged.id], request.names(suite), threads=threads)[judged.id]
    return {"memory_bytes": use.peak, "memory_over": use.peak / request.memory_bytes - 1.0}


def totals(rows: list[Entry]) -> Entry:
    """Counts over all requests."""
    answered = [row for row in rows if row["chosen"]]
    steady = [row for row in rows if abs(row["control"] - 1.0) <= STEADY]
    return {
        "requests": len(rows),
        "answered": len(answered),
        "refused": len(rows) - len(answered),
        "met": sum(row["met"] for row in rows),
        "agree": sum(row["agrees"] for row in rows),
        "met_nearly": sum(row["met"] or row.get("over", 1.0) <= NEARLY for row in rows),
        "steady": len(steady),
        "met_steady": sum(row["met"] for row in steady),
        "worst_over": max((row["over"] for row in answered), default=None),
        "missed_better": sum(bool(row["missed"]) for row in rows),
        "seconds": sum(row["seconds"] for row in rows),
        "longest_seconds": max((row["seconds"] for row in rows), default=None),
    }
