"""The numbers of a plan, each with what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .choice import Candidate
from .judge import Judge


@dataclass(frozen=True)
class Figure:
    """A number and where it comes from. `spread` is its relative uncertainty; None where it has none.

    `room` is the share that it has to stay under a limit by, for repeats of it differ so much on this machine.
    """

    value: float
    kind: Literal["measured", "estimated"]
    quantile: float | None = None
    spread: float | None = None
    runs: int | None = None
    room: float | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON object with `value` and `kind` at least."""
        entry = {"value": self.value, "kind": self.kind}
        extra = {"quantile": self.quantile, "spread": self.spread, "runs": self.runs, "room": self.room}
        return entry | {name: value for name, value in extra.items() if value is not None}


def latency_figure(chosen: Candidate, judge: Judge) -> Figure | None:
    """Its latency at the budget's quantile; None where that was not measured."""
    found, quantile = judge.book.latency(chosen.subnet), judge.budget.quantile
    value = found.at(quantile) if found else None
    if found is None or value is None:
        return None
    # The spread was worked out for the quantile that measuring was steered by.
    spread = found.spread if found.quantile == quantile else None
    room = judge.room(chosen) if judge.budget.latency_ms is not None else None
    return Figure(value, "measured", quantile, spread, found.runs, room)


def memory_figure(chosen: Candidate, judge: Judge) -> Figure | None:
    """The most memory that a process grew by; None where that was not measured."""
    use = judge.book.memory(chosen.subnet)
    room = judge.memory_room if judge.budget.memory_bytes is not None else None
    return Figure(use.peak, "measured", room=room) if use else None


def energy_figure(chosen: Candidate, judge: Judge) -> Figure | None:
    """Its energy a run; None where that was not measured."""
    use = judge.book.energy(chosen.subnet)
    return Figure(use.millijoules, "measured", runs=use.runs) if use else None
