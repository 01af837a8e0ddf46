"""A plan: the subnet that was chosen, why, and why not the others; every number measured here or marked otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...devices.words import percent
from ..format.manifest import SubnetInfo
from .budget import ENERGY, LATENCY, MACS, Budget, format_bytes
from .figures import Figure
from .ladder import Rung

VERSION = 1
_SHOWN = 12
"""Of the subnets that were not chosen, for people."""


@dataclass(frozen=True)
class Rejection:
    """A subnet that was not chosen, and the reason with its numbers."""

    id: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """A subnet chosen for a budget.

    `score` is the sum over tasks of weight times quality relative to the widest subnet, `full_score` that of the widest
    itself. `latency_ms`, `memory_bytes` and `energy_mj` are None where nothing was measured. `macs` and `bytes` are for
    the tasks asked for. `notes` are lines that the user should see, `rungs` what a governor may step to (none without a
    latency limit).
    """

    subnet: SubnetInfo
    why: str
    rejected: tuple[Rejection, ...]
    latency_ms: Figure | None
    memory_bytes: Figure | None
    energy_mj: Figure | None
    macs: int
    bytes: int
    score: float
    full_score: float
    budget: Budget
    notes: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = field(default=(), repr=False)

    @property
    def tasks(self) -> tuple[str, ...] | None:
        """The tasks that the plan was made for; None for all."""
        return self.budget.tasks

    @property
    def provider(self) -> str:
        """The execution provider that the numbers hold for."""
        return self.budget.provider

    @property
    def threads(self) -> int | None:
        """The threads that the numbers hold for; None for as many as there are physical cores."""
        return self.budget.threads

    def to_json(self) -> dict[str, Any]:
        """What `pliant plan --json` prints."""
        quality = {
            task: {"metric": q.metric, "value": q.value, "higher_is_better": q.higher_is_better}
            for task, q in self.subnet.quality.items()
            if self.tasks is None or task in self.tasks
        }
        return {
            "_version": VERSION,
            "chosen": self.subnet.id,
            "why": self.why,
            "rejected": [{"id": rejection.id, "reason": rejection.reason} for rejection in self.rejected],
            "latency_ms": self.latency_ms and self.latency_ms.to_json(),
            "memory_bytes": self.memory_bytes and self.memory_bytes.to_json(),
            "energy_mj": self.energy_mj and self.energy_mj.to_json(),
            "precision": self.subnet.precision,
            "macs": self.macs,
            "bytes": self.bytes,
            "quality": quality,
            "score": self.score,
            "full_score": self.full_score,
            "budget": self.budget.to_json(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return _described(self)


def _described(plan: Plan) -> str:
    """The plan for people, as plain text."""
    subnet = plan.subnet
    tasks = plan.tasks or tuple(subnet.quality)
    rows = [
        ("chosen", f"{subnet.id} ({subnet.precision})"),
        ("why", plan.why),
        ("budget", str(plan.budget)),
        ("latency", _latency(plan)),
        ("memory", f"{format_bytes(plan.memory_bytes.value)} {plan.memory_bytes.kind}" if plan.memory_bytes else ""),
        ("energy", f"{ENERGY.format(plan.energy_mj.value)} {plan.energy_mj.kind}" if plan.energy_mj else ""),
        ("cost", f"{MACS.format(plan.macs)} macs, {format_bytes(plan.bytes)} of weights"),
        ("quality", ", ".join(f"{t} {subnet.quality[t].metric} {subnet.quality[t].value:.4g}" for t in tasks)),
        ("score", f"{plan.score:.4g} (the widest: {plan.full_score:.4g})"),
        *(("note", note) for note in plan.notes),
    ]
    lines = [f"{name:<9}{text}" for name, text in rows if text]
    if plan.rejected:
        lines.append(f"rejected ({len(plan.rejected)})")
        width = max(len(rejection.id) for rejection in plan.rejected)
        lines += [f"  {item.id:<{width}}  {item.reason}" for item in plan.rejected[:_SHOWN]]
        if len(plan.rejected) > _SHOWN:
            lines.append(f"  ... and {len(plan.rejected) - _SHOWN} more")
    return "\n".join(lines)


def _latency(plan: Plan) -> str:
    figure = plan.latency_ms
    if figure is None:
        return "not measured (no latency limit was given)"
    at = f" at p{figure.quantile * 100:g}" if figure.quantile is not None else ""
    runs = f" in {figure.runs} runs" if figure.runs else ""
    spread = f", spread {percent(figure.spread)}" if figure.spread is not None else ""
    return f"{LATENCY.format(figure.value)}{at}, {figure.kind}{runs}{spread}"
