"""The rule by which a subnet is chosen: what fits, then the best weighted relative quality, then the cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..format.manifest import Quality, SubnetInfo, widest
from .budget import MACS, Budget, format_bytes

# A widest subnet with an error of zero, or next to it, would make every ratio infinite.
_PERFECT = 1e9
NO_FACTOR = 1e9
"""By which a limit is missed that no budget comes near: what cannot run at all."""


@dataclass(frozen=True)
class Miss:
    """A limit that a subnet breaks, by how much (1.3 means 30 % over) and in words."""

    limit: str
    factor: float
    text: str


@dataclass(frozen=True)
class Candidate:
    """A subnet with its score, its cost for the tasks asked for, and the limits known from the file that it breaks."""

    subnet: SubnetInfo
    score: float
    macs: int
    bytes: int
    misses: tuple[Miss, ...]


def relative(quality: Quality, reference: Quality) -> float:
    """Quality over that of the widest, errors inverted: 1 is as good, less is worse."""
    value, full = quality.value, reference.value
    if quality.higher_is_better:
        # A widest subnet that scores nothing gives no scale: such a task decides nothing.
        return max(min(value / full, _PERFECT), -_PERFECT) if full > 0.0 else 1.0
    if value <= 0.0:
        return 1.0 if full <= 0.0 else _PERFECT
    return min(max(full, 0.0) / value, _PERFECT)


def score(subnet: SubnetInfo, reference: SubnetInfo, tasks: Sequence[str], prefer: dict[str, float]) -> float:
    """Sum over tasks of w_t q_t / q_t(widest), with w_t = 1 unless `prefer` says otherwise."""
    return sum(prefer.get(task, 1.0) * relative(subnet.quality[task], reference.quality[task]) for task in tasks)


def rank(subnets: Sequence[SubnetInfo], tasks: Sequence[str], budget: Budget) -> list[Candidate]:
    """All subnets, best first: by score, then fewer macs, then fewer bytes. `tasks` are those to run."""
    reference, prefer = widest(subnets), dict(budget.prefer)
    found = []
    for subnet in subnets:
        cost = subnet.cost(None if budget.tasks is None else tuple(tasks))
        value = score(subnet, reference, tasks, prefer)
        misses = tuple(_static_misses(subnet, cost.macs, cost.bytes, budget))
        found.append(Candidate(subnet, value, cost.macs, cost.bytes, misses))
    return sorted(found, key=lambda candidate: (-candidate.score, candidate.macs, candidate.bytes))


def narrower(one: SubnetInfo, other: SubnetInfo, tasks: Sequence[str]) -> bool:
    """Whether one subnet does nowhere more than another of its precision: no encoder stage, no task's decoder."""
    parts = [(one.encoder, other.encoder), *((one.decoders[task], other.decoders[task]) for task in tasks)]
    return (
        one.precision == other.precision
        and all(ours.macs <= theirs.macs for ours, theirs in parts)
        and all(ours <= theirs for ours, theirs in zip(one.widths.encoder, other.widths.encoder, strict=True))
    )


def over(limit: str, value: float, allowed: float, shown: str, shown_limit: str) -> Miss:
    """A miss of a limit from above."""
    return Miss(limit, value / allowed, f"{limit} {shown}, limit {shown_limit} ({_excess(value / allowed)})")


def _excess(factor: float) -> str:
    if factor >= 100.0:
        return f"{factor:,.0f} times it"
    if factor >= 2.0:
        return f"{factor:.1f} times it"
    return f"{(factor - 1.0) * 100:.2g} % over"


def _static_misses(subnet: SubnetInfo, macs: int, size: int, budget: Budget) -> list[Miss]:
    misses = []
    if budget.macs is not None and macs > budget.macs:
        misses.append(over("macs", macs, budget.macs, MACS.format(macs), MACS.format(budget.macs)))
    if budget.bytes is not None and size > budget.bytes:
        misses.append(over("bytes", size, budget.bytes, format_bytes(size), format_bytes(budget.bytes)))
    for task, floor in budget.floors:
        quality = subnet.quality[task]
        short = quality.value < floor if quality.higher_is_better else quality.value > floor
        if short:
            misses.append(_below(task, quality, floor))
    return misses


def _below(task: str, quality: Quality, floor: float) -> Miss:
    high, low = (floor, quality.value) if quality.higher_is_better else (quality.value, floor)
    factor = high / low if low > 0.0 else _PERFECT
    word = "at least" if quality.higher_is_better else "at most"
    return Miss(f"floor {task}", factor, f"{task} {quality.metric} {quality.value:.4g}, asked {word} {floor:g}")
