"""What `run_search` refuses before the search, and what there is to say after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..devices.errors import BudgetError, CheckpointError
from ..runtime.planning.budget import MEMORY
from ..training.checkpoints.checkpoint import Checkpoint
from .algorithms.ecmt import Ecmt
from .algorithms.interface import Found, Problem
from .floors import NONE, meets
from .latency.clock import Clock, ThisMachine
from .limits import UNLIMITED, Limits
from .score import Yardstick


def check_nested(checkpoint: Checkpoint) -> None:
    """CheckpointError for a network of one width."""
    only = checkpoint.recipe.training.only
    if only is not None:
        raise CheckpointError(
            f"only the width {only:g} was trained (training.only), so there is nothing to search: train without `only`"
        )


def check_counts(evaluations: int | None, front_size: int | None, images: int | None) -> None:
    """BudgetError for a count that leaves nothing."""
    for name, value, least in (("evaluations", evaluations, 2), ("front_size", front_size, 2), ("images", images, 1)):
        if value is not None and value < least:
            raise BudgetError(f"{name} must be at least {least}, not {value}")


def check_clock(int8: bool, limits: Limits, clock: Clock | None, algorithm: str) -> None:
    """BudgetError for what cannot be had without latencies, or by an algorithm."""
    if int8 and not isinstance(clock, ThisMachine):
        raise BudgetError("int8 saves no multiply-adds: search for it by latency, measured on this machine (--latency)")
    if int8 and algorithm == Ecmt().name:
        raise BudgetError("ECMT's rule knows no precision: search with --algorithm factorized or joint")
    if limits.latency_ms is not None and clock is None:
        raise BudgetError("a limit of latency needs latencies: search by --latency or --device")
    if limits.memory is not None and not isinstance(clock, ThisMachine):
        raise BudgetError("memory is measured on this machine: limit it with --latency")


def limited(problem: Problem, limits: Limits, clock: Clock | None) -> Problem:
    """The problem with limits; BudgetError where nothing can keep them."""
    if limits.latency_ms is not None and problem.latency is None and clock is not None:
        raise BudgetError(f"too few latencies are known of {clock.where} to keep a limit: search without --max-latency")
    narrowest = [replace(problem.space.narrowest, precision=each) for each in problem.parts]
    limits.check([problem.cost(config).total for config in narrowest])
    if limits.memory is not None and isinstance(clock, ThisMachine):
        least = min(clock.memory(narrowest).values())
        if least > limits.memory:
            raise BudgetError(
                f"even the narrowest subnet takes {MEMORY.format(least)} of memory, over the limit "
                f"{MEMORY.format(limits.memory)}: allow more"
            )
    return replace(problem, limits=limits)


def told(problem: Problem, found: Found) -> Iterator[str]:
    """Lines on how well quality was predicted, and on floors and limits that nothing that was found keeps."""
    if found.foretold is not None:
        fit = f"{found.foretold.error:.1%} off (rank correlation {found.foretold.tau:.2f})"
        yield f"quality of {found.predictions} evaluations, predicted before they were made, was {fit}"
    widest = next(each for each in found.candidates if each.config == problem.space.widest)
    yardstick = Yardstick(problem.tasks, widest.quality)
    kept = {
        each.config
        for each in found.candidates
        if problem.limits.allow(each.macs, each.bytes, each.nanoseconds)
        and meets(problem.floors, yardstick, each.quality)
    }
    ends = {"narrowest": problem.space.narrowest, "widest": problem.space.widest}
    asked = [
        name for name, given in (("limits", problem.limits != UNLIMITED), ("floors", problem.floors != NONE)) if given
    ]
    if not asked:
        return
    within = " and ".join(asked)
    if kept <= set(ends.values()):
        yield f"between narrowest and widest nothing was found within the {within}: the front has both ends alone"
    for name, end in ends.items():
        if end not in kept:
            yield f"the {name} is not within the {within}: it stays on the front, as both ends do"
