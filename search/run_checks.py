"""What `run_search` refuses before the search."""

from __future__ import annotations

from dataclasses import replace

from ..devices.errors import BudgetError, CheckpointError
from ..training.checkpoint import Checkpoint
from .algorithms.ecmt import Ecmt
from .algorithms.interface import Problem
from .latency.clock import Clock, ThisMachine
from .limits import Limits


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


def limited(problem: Problem, limits: Limits, clock: Clock | None) -> Problem:
    """The problem with limits; BudgetError where nothing can keep them."""
    if limits.latency_ms is not None and problem.latency is None and clock is not None:
        raise BudgetError(f"too few latencies are known of {clock.where} to keep a limit: search without --max-latency")
    narrowest = [replace(problem.space.narrowest, precision=each) for each in problem.parts]
    limits.check([problem.cost(config).total for config in narrowest])
    return replace(problem, limits=limits)
