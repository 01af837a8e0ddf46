"""Latency in a search: what is learned of it before, and the truth about the front after, without what it rules out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..devices.errors import BudgetError
from ..models.space import SearchSpace, SubnetConfig
from ..quantize.assignment import assigned_to
from ..runtime.format.tasks import Task
from ..runtime.planning.budget import LATENCY, MEMORY
from .algorithms.parts import NANOSECONDS
from .entries import FrontEntry, Latency
from .front.front import Front
from .front.provenance import BY_MACS
from .front.staircase import stairs
from .latency.clock import NONE, Clock, Policies, ThisMachine, rewarded
from .latency.model import LEAST, LatencyModel
from .limits import UNLIMITED, Limits
from .preference import Preference
from .score import Yardstick
from .wording import Note, in_words, precision_in_words, unheard

LEAST_TO_JUDGE = 20
"""Measured latencies from which it can be said how well others are estimated."""
LEAST_TO_TELL = 4
"""Subnets of a front from which it can be said how well they had been estimated."""
MOST_TOLD = 3
"""Of the subnets that are left out, those that are told one by one."""
ROUGH = 0.1
"""An error of estimated latencies that tells of disturbed measurements rather than of the model."""


def learn(
    clock: Clock,
    space: SearchSpace,
    tasks: Sequence[Task],
    note: Note = unheard,
    policies: Policies = NONE,
    limits: Limits = UNLIMITED,
) -> dict[str, LatencyModel]:
    """Latency of all subnets by the encoder's precision, from those that the clock knows; none where it knows few.

    BudgetError where all that it knows take longer than the limit, the narrowest among them.
    """
    known: dict[str, dict[SubnetConfig, float]] = {precision: {} for precision in ("fp32", *policies)}
    for config, each in clock.probe(policies).items():
        known[assigned_to(config).encoder][config] = each.value
    _check_limit(known["fp32"], space, min((ms for row in known.values() for ms in row.values()), default=0.0), limits)
    if len(known["fp32"]) < LEAST:
        count = len(known["fp32"])
        note(f"{clock.where}: latencies of {count} subnets, of fewer than {LEAST}: searching by multiply-adds")
        return {}
    models = {name: LatencyModel(space, tasks, each) for name, each in known.items() if len(each) >= LEAST}
    for precision in models:
        note(_fit(precision if policies else "", known[precision], space, tasks))
    for stair in stairs(models["fp32"], space, tasks):
        if stair.wasted:
            widths = ", ".join(f"{width:g}" for width in stair.wasted)
            note(f"{stair.name}: width {widths} is no faster here than a wider one (estimated)")
    if line := rewarded(space, clock.fingerprint):
        note(line)
    return models


def _check_limit(fp32: Mapping[SubnetConfig, float], space: SearchSpace, least: float, limits: Limits) -> None:
    if limits.latency_ms is not None and space.narrowest in fp32 and least > limits.latency_ms:
        raise BudgetError(
            f"of {len(fp32)} subnets from all over the space, the narrowest among them, none takes less than "
            f"{LATENCY.format(least)}, over the limit {LATENCY.format(limits.latency_ms)}: allow more"
        )


def _fit(precision: str, known: Mapping[SubnetConfig, float], space: SearchSpace, tasks: Sequence[Task]) -> str:
    """How well the latencies of an encoder's precision are estimated."""
    fit = LatencyModel.held_out(space, tasks, known) if len(known) >= LEAST_TO_JUDGE else None
    told = "" if fit is None else f": held out, they are {fit.error:.1%} off (rank correlation {fit.tau:.2f})"
    if fit is not None and fit.error > ROUGH:
        told += "; that is much: was the machine busy? Search again when it is idle"
    return f"{precision} latencies are estimated from {len(known)} measured subnets{told}".strip()


def confirm(
    front: Front, clock: Clock, models: Mapping[str, LatencyModel], note: Note = unheard, limits: Limits = UNLIMITED
) -> Front:
    """The front with its latencies, measured where the clock can and said to be estimated where not.

    What then takes longer than the limit is left out, but the ends.

    Without models those that cannot be measured have none, and are compared with none. The fp32 twins of subnets of low
    precision are measured too: one that is not faster than its twin has no place on a front.
    """
    configs = [entry.config for entry in front.entries]
    twins = [replace(each, precision="fp32") for each in configs if each.precision != "fp32"]
    measured = clock.confirm(list(dict.fromkeys([*configs, *twins])))
    guesses = _estimated([*configs, *twins], models, measured, clock)
    timed, left_out = with_latencies(front, {**guesses, **measured})
    timed, slow = _within(timed, limits)
    _tell([*left_out, *slow], note)
    missing = sum(config not in measured for config in configs)
    if missing:
        state = "estimated" if models else "unknown"
        note(f"{missing} of {len(configs)} latencies are {state}: export a suite, then profile it there")
    if models and len(measured) >= LEAST_TO_TELL:
        note(_missed(guesses, measured))
    return timed


def _tell(lines: Sequence[str], note: Note) -> None:
    """A line each, but of many the first ones and how many more there are."""
    shown = lines if len(lines) <= MOST_TOLD + 1 else lines[:MOST_TOLD]
    for line in shown:
        note(line)
    if len(lines) > len(shown):
        note(f"left out {len(lines) - len(shown)} more, each no faster than what is nowhere worse, or over the limit")


def _missed(guesses: Mapping[SubnetConfig, Latency], measured: Mapping[SubnetConfig, Latency]) -> str:
    """How far estimates were off what was then measured, both as shares of their mean: a machine changes its pace."""
    both = [each for each in measured if each in guesses]
    guess, truth = (np.array([those[each].value for each in both]) for those in (guesses, measured))
    error = float(np.abs((guess / guess.mean()) / (truth / truth.mean()) - 1.0).mean())
    busy = "; that is much: was the machine busy? Search again when it is idle" if error > ROUGH else ""
    return f"latencies were estimated {error:.1%} off what was then measured{busy}"


def _estimated(
    configs: Sequence[SubnetConfig],
    models: Mapping[str, LatencyModel],
    measured: Mapping[SubnetConfig, Latency],
    clock: Clock,
) -> dict[SubnetConfig, Latency]:
    """What is learned of these subnets; nothing without models."""
    if not models:
        return {}
    quantile = next((each.quantile for each in measured.values()), 0.5)
    # What is learned is linear, and far from what was measured it may come out below nothing.
    guessed = {each: max(models[assigned_to(each).encoder](each), 1.0 / NANOSECONDS) for each in configs}
    return {each: Latency(value, "estimated", clock.where, quantile) for each, value in guessed.items()}


def with_latencies(front: Front, latencies: Mapping[SubnetConfig, Latency]) -> tuple[Front, list[str]]:
    """The front with the latency of every entry that has one, and a line for each that is left out.

    A subnet goes that another one equals or beats in every task and is no slower: it is thinner, or was estimated to be
    quicker, and is not. Only what was measured rules out, and is ruled out; both ends stay. Preferences are named anew,
    by what the latencies say, where those were searched for.
    """
    entries = [replace(entry, latency=latencies.get(entry.config)) for entry in front.entries]
    yardstick = Yardstick(front.tasks, front.widest.quality)
    slow = {entry.config: line for entry in entries if (line := _slower_than_twin(entry, latencies))}
    # What is left out itself rules nothing else out.
    rivals = [entry for entry in entries if entry.config not in slow]
    better = {entry.config: _better(entry, rivals, yardstick) for entry in rivals}
    ends = (front.space.narrowest, front.space.widest)
    gone = {config for config, other in better.items() if other is not None} | set(slow)
    kept = [entry for entry in entries if entry.config in ends or entry.config not in gone]
    lines = [slow.get(entry.config) or _line(entry, better.get(entry.config)) for entry in entries if entry not in kept]
    return _with_only(front, kept), lines


def _within(front: Front, limits: Limits) -> tuple[Front, list[str]]:
    """The front without subnets that are over the limit of latency, and a line for each."""
    most = limits.latency_ms
    if most is None:
        return front, []
    slow = [each for each in _between(front) if _milliseconds(each) > most]
    lines = [f"left out {in_words(each.config)}: {_milliseconds(each):.3g} ms, over {most:g} ms" for each in slow]
    return _without(front, slow), lines


def within_memory(front: Front, clock: Clock, limits: Limits, note: Note = unheard) -> Front:
    """The front without subnets that take more memory than the limit, but its ends, and a line for each left out."""
    if limits.memory is None or not isinstance(clock, ThisMachine):
        return front
    taken = clock.memory([entry.config for entry in front.entries])
    least, most = (MEMORY.format(end(taken.values())) for end in (min, max))
    note(f"memory, measured in fresh processes: {least} to {most}")
    heavy = [each for each in _between(front) if taken[each.config] > limits.memory]
    limit = MEMORY.format(limits.memory)
    over = [f"{in_words(each.config)}: {MEMORY.format(taken[each.config])}" for each in heavy]
    _tell([f"left out {each} of memory, over {limit}" for each in over], note)
    return _without(front, heavy)


def _between(front: Front) -> list[FrontEntry]:
    """All but both ends, which stay on a front whatever they cost."""
    return [each for each in front.entries if each.config not in (front.space.narrowest, front.space.widest)]


def _without(front: Front, gone: Sequence[FrontEntry]) -> Front:
    return _with_only(front, [each for each in front.entries if each not in gone])


def _with_only(front: Front, kept: Sequence[FrontEntry]) -> Front:
    """The front with these entries; preferences are named anew where they were searched for by latency."""
    if front.provenance.cost != BY_MACS and all(entry.latency for entry in kept):
        kept = _named(kept, front, Yardstick(front.tasks, front.widest.quality))
    return replace(front, entries=tuple(kept))


def _better(entry: FrontEntry, others: Sequence[FrontEntry], yardstick: Yardstick) -> FrontEntry | None:
    """One that is no slower and nowhere worse, both as measured; of equals the first stays."""
    mine = yardstick.relative([entry.quality])[0]
    for other in others:
        if not (_measured(entry) and _measured(other)):
            continue
        theirs = yardstick.relative([other.quality])[0]
        no_worse = _milliseconds(other) <= _milliseconds(entry) and bool((theirs >= mine).all())
        equal = _milliseconds(other) == _milliseconds(entry) and bool((theirs == mine).all())
        if other is not entry and no_worse and (not equal or others.index(other) < others.index(entry)):
            return other
    return None


def _slower_than_twin(entry: FrontEntry, latencies: Mapping[SubnetConfig, Latency]) -> str | None:
    """A line on an entry of low precision that does not earn its place; None for all others."""
    twin = latencies.get(replace(entry.config, precision="fp32"))
    if entry.config.precision == "fp32" or twin is None or not _measured(entry) or twin.kind != "measured":
        return None
    if _milliseconds(entry) < twin.value:
        return None
    what = in_words(replace(entry.config, precision="fp32"))
    return (
        f"left out {what}: in {precision_in_words(entry.config)} no faster than in fp32, "
        f"{_milliseconds(entry):.3g} ms against {twin.value:.3g} ms"
    )


def _named(entries: Sequence[FrontEntry], front: Front, yardstick: Yardstick) -> list[FrontEntry]:
    """Each with the preferences on whose front, of score over latency, it lies."""
    quick_first = sorted(entries, key=_milliseconds)
    names: dict[SubnetConfig, tuple[str, ...]] = {entry.config: () for entry in entries}
    for name, weights in front.preferences.items():
        preference, best = Preference.of(weights, weights), -float("inf")
        for entry in quick_first:
            score = yardstick.score(preference, entry.quality)
            if score > best:
                names[entry.config] += (name,)
                best = score
    return [replace(entry, preferences=names[entry.config]) for entry in entries]


def _line(entry: FrontEntry, other: FrontEntry | None) -> str:
    assert other is not None
    thinner = entry.macs < other.macs
    why = "thinner than another subnet but no faster" if thinner else "no faster than another subnet"
    return (
        f"left out {in_words(entry.config)}: {why}, {_milliseconds(entry):.3g} ms against "
        f"{_milliseconds(other):.3g} ms of {in_words(other.config)}, and nowhere better"
    )


def _measured(entry: FrontEntry) -> bool:
    return entry.latency is not None and entry.latency.kind == "measured"


def _milliseconds(entry: FrontEntry) -> float:
    assert entry.latency is not None
    return entry.latency.value
