"""Latency in a search: what is learned of it before, and the truth about the front after, without what it rules out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..devices.errors import BudgetError
from ..devices.words import counted
from ..models.space import SearchSpace, SubnetConfig
from ..quantize.assignment import assigned_to
from ..runtime.format.tasks import Task
from ..runtime.planning.budget import LATENCY, MEMORY
from .algorithms.parts import NANOSECONDS
from .entries import Latency
from .front.exclusion import between, with_latencies, within_latency, without
from .front.front import Front
from .front.staircase import stairs
from .latency.clock import NONE, Clock, Policies, ThisMachine, rewarded
from .latency.model import LEAST, LatencyModel
from .limits import UNLIMITED, Limits
from .predictor import relative_error
from .wording import Note, in_words, unheard

LEAST_TO_JUDGE = 20
"""Measured latencies from which it can be said how well others are estimated."""
LEAST_TO_TELL = 4
"""Subnets of a front from which it can be said how well they had been estimated."""
MOST_TOLD = 3
"""Of the subnets that are left out, those that are told one by one."""
TURNS = 4
"""Times that a front is made, each without what was measured to take more memory than the limit."""
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
        few = counted(len(known["fp32"]), "known latency", "known latencies")
        note(f"{clock.where}: {few}, too few to estimate others by ({LEAST} at least): searching by multiply-adds")
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
    rough = "" if fit is None else _rough(fit.error)
    return f"{precision} latencies are estimated from {len(known)} measured subnets{told}{rough}".strip()


def _rough(error: float) -> str:
    """What to add where estimates are far off."""
    return "; that is much: was the machine busy? Search again when it is idle" if error > ROUGH else ""


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
    timed, slow = within_latency(timed, limits)
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
    error = relative_error(guess / guess.mean(), truth / truth.mean())
    return f"latencies were estimated {error:.1%} off what was then measured{_rough(error)}"


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


def within_memory(
    make: Callable[[Collection[SubnetConfig]], Front], clock: Clock, limits: Limits, note: Note = unheard
) -> Front:
    """The front without subnets that take more memory than the limit, but its ends, and a line for each left out.

    `make` makes it of what was found but some: what is left out rules nothing out, so others come in its place, which
    are measured too.
    """
    front = make(())
    if limits.memory is None or not isinstance(clock, ThisMachine):
        return front
    taken: dict[SubnetConfig, int] = {}
    heavy: dict[SubnetConfig, None] = {}
    for turn in range(TURNS):
        front = make(heavy) if turn else front
        taken.update(clock.memory([entry.config for entry in front.entries if entry.config not in taken]))
        over = [entry for entry in between(front) if taken[entry.config] > limits.memory]
        heavy.update(dict.fromkeys(entry.config for entry in over))
        if not over:
            break
    least, most = (MEMORY.format(end(taken.values())) for end in (min, max))
    note(f"memory, measured in fresh processes: {least} to {most}")
    limit = MEMORY.format(limits.memory)
    lines = [f"{in_words(config)}: {MEMORY.format(taken[config])}" for config in heavy]
    _tell([f"left out {each} of memory, over {limit}" for each in lines], note)
    return without(front, over)
