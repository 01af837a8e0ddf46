"""`make_plan`: the subnet for a budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...devices.cache import MeasurementCache
from ...devices.energy import need_sensor
from ...devices.errors import BudgetError
from ...devices.measure import Progress
from ..engine import import_onnxruntime, target_of
from ..format.manifest import widest
from ..tensorrt.settings import ENGINES
from . import reasons
from .book import Book
from .budget import make_budget
from .choice import NO_FACTOR, Candidate, Miss, rank
from .figures import energy_figure, latency_figure, memory_figure
from .judge import Judge
from .ladder import measured_rungs
from .measuring import measure_what_decides
from .plan import Plan, Rejection

if TYPE_CHECKING:
    from ..format.suite_file import SuiteFile


def make_plan(
    suite: SuiteFile,
    *,
    latency: str | None = None,
    memory: str | None = None,
    macs: str | float | None = None,
    bytes: str | None = None,
    energy: str | None = None,
    prefer: Mapping[str, float] | None = None,
    floors: Mapping[str, float] | None = None,
    tasks: Iterable[str] | str | None = None,
    quantile: float = 0.5,
    provider: str = "cpu",
    threads: int | None = None,
    measure: str = "auto",
    progress: Progress | None = None,
    cache: MeasurementCache | str | Path | None = None,
) -> Plan:
    """Choose a subnet of `suite` for a budget.

    Among the subnets that meet every limit, the one with the largest sum over tasks of w_t q_t / q_t(widest fp32)
    (errors inverted), ties to the cheaper. Latency and memory are met by what was measured on this machine;
    `measure="auto"` measures what is missing (`progress(what, done, total)`), `"never"` refuses with BudgetError where
    the choice depends on it, `"known"`, as a switch does, chooses among the subnets that are measured.

    Raises BudgetError for what cannot be understood, NoSubnetFits where nothing fits, EngineUnavailable where the
    provider is not here, or it has to measure and cannot.
    """
    if measure not in ("auto", "never", "known"):
        raise BudgetError(f"measure must be 'auto', 'never' or 'known', not {measure!r}")
    budget = make_budget(
        suite.tasks,
        latency=latency,
        memory=memory,
        macs=macs,
        bytes=bytes,
        energy=energy,
        prefer=prefer,
        floors=floors,
        only=tasks,
        quantile=quantile,
        provider=provider,
        threads=threads,
    )
    if budget.energy_mj is not None and measure == "auto":
        need_sensor("processor" if budget.provider == "cpu" else "gpu")
    names = tuple(suite.tasks) if budget.tasks is None else budget.tasks
    ranked = [_with_graph(each, budget.provider) for each in rank(suite.subnets, names, budget)]
    if budget.provider != "cpu" and budget.memory_bytes is not None:
        raise BudgetError(
            f"memory is measured of a process, not of a GPU: for {budget.provider} limit the bytes instead"
        )
    if budget.provider != "cpu" and budget.provider not in ENGINES:
        # Also where nothing is measured: a plan that cannot be loaded here is none. On the CPU it may be for elsewhere.
        import_onnxruntime(budget.provider)
    kept = cache if isinstance(cache, MeasurementCache) else MeasurementCache(cache)
    judge = Judge(budget, Book(suite, names, provider=budget.provider, threads=budget.threads, cache=kept))
    if budget.provider in ENGINES:
        from .built import with_engines

        ranked = with_engines(ranked, judge.book)
    if measure == "auto":
        judge = measure_what_decides(judge, ranked, progress)
    else:
        while (easier := judge.easier(ranked, known=measure == "known")) is not judge:
            judge = easier
    return _decide(suite, ranked, judge, passing=measure == "known")


def _with_graph(candidate: Candidate, provider: str) -> Candidate:
    """The same; a subnet that the provider has no graph of breaks a limit that says so."""
    target = target_of(provider)
    if target in candidate.subnet.graphs:
        return candidate
    miss = Miss("graph", NO_FACTOR, f"the suite has no graph of it for {target}")
    return replace(candidate, misses=(*candidate.misses, miss))


def _decide(suite: SuiteFile, ranked: Sequence[Candidate], judge: Judge, passing: bool) -> Plan:
    """Walk from the best score down to the first subnet that meets every limit, `passing` by what is not measured."""
    unknown: tuple[str, ...] = ()
    for candidate in ranked:
        if judge.misses(candidate):
            continue
        missing = judge.unknown(candidate)
        if not missing:
            return _plan(candidate, ranked, judge)
        unknown = unknown or missing
        if not passing:
            break
    if unknown:
        raise BudgetError(reasons.not_measured(suite.path, unknown, judge, ranked))
    raise reasons.nothing_fits(ranked, judge)


def _plan(chosen: Candidate, ranked: Sequence[Candidate], judge: Judge) -> Plan:
    full = widest([candidate.subnet for candidate in ranked])
    full_score = next(candidate.score for candidate in ranked if candidate.subnet.id == full.id)
    rejected = tuple(
        Rejection(candidate.subnet.id, reasons.reason(candidate, chosen, judge))
        for candidate in ranked
        if candidate is not chosen
    )
    notes = (
        judge.book.cache.note,
        reasons.crowded(judge),
        reasons.noise(judge, chosen),
        reasons.close(judge, chosen),
        reasons.passed_by(chosen, ranked, judge),
    )
    return Plan(
        subnet=chosen.subnet,
        why=reasons.why(chosen, ranked, judge),
        rejected=rejected,
        latency_ms=latency_figure(chosen, judge),
        memory_bytes=memory_figure(chosen, judge),
        energy_mj=energy_figure(chosen, judge),
        macs=chosen.macs,
        bytes=chosen.bytes,
        score=chosen.score,
        full_score=full_score,
        budget=judge.budget,
        notes=tuple(note for note in notes if note),
        rungs=measured_rungs(chosen, ranked, judge),
    )
