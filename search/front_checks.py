"""Whether the parts of a front that was read fit each other, so that whatever uses it may rely on that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..devices.errors import InputError
from .preference import Preference

if TYPE_CHECKING:
    from .front import Front, FrontEntry


def check_front(front: Front) -> None:
    """Raise InputError for the first thing that does not fit."""
    tasks = [task.name for task in front.tasks]
    _same(front.space.tasks, tasks, "a front's space")
    for name, weights in front.preferences.items():
        _same(weights, tasks, f"a front's preference {name!r}")
        Preference.of(tasks, weights)
    for number, entry in enumerate(front.entries, 1):
        for wrong in _wrong(front, entry, tasks):
            raise InputError(f"subnet {number} of a front {wrong}")
    configs = [entry.config for entry in front.entries]
    for number, config in enumerate(configs, 1):
        if (first := configs.index(config) + 1) != number:
            raise InputError(f"subnets {first} and {number} of a front are the same")
    if not {front.space.widest, front.space.narrowest} <= set(configs):
        raise InputError("a front lacks its widest or its narrowest subnet")
    _check_policies(front)


def _wrong(front: Front, entry: FrontEntry, tasks: list[str]) -> Iterator[str]:
    """What is wrong with a subnet by itself."""
    if entry.config not in front.space:
        yield "is one that its space has not"
    for task in sorted(set(tasks) ^ set(entry.quality)):
        yield f"has no quality of {task!r}" if task in tasks else f"has a quality of {task!r}, which is no task"
    for name in sorted(set(entry.preferences) - set(front.preferences)):
        yield f"is the best for {name!r}, which is no preference of it"
    for name, value in (("multiply-adds", entry.macs), ("bytes", entry.bytes)):
        if value <= 0:
            yield f"has {value} {name}"
    if entry.beats is not None and entry.beats < 0:
        yield f"beats {entry.beats} others"
    for each in entry.beaten:
        if set(each.quality) != set(tasks) or each.cost <= 0.0:
            yield "beats one whose qualities are not those of its tasks, or that costs nothing"
    if (latency := entry.latency) is not None:
        if latency.value <= 0.0:
            yield f"takes {latency.value:g} ms"
        if not 0.0 <= latency.quantile <= 1.0:
            yield f"has a latency at the quantile {latency.quantile:g}"


def _check_policies(front: Front) -> None:
    for name, policy in front.policies.items():
        if policy.name != name:
            raise InputError(f"a front's policy {name!r} is called {policy.name!r}")
    named = {entry.config.precision for entry in front.entries} - {"fp32"}
    if front.policies and named != set(front.policies):
        raise InputError(f"a front has policies for {sorted(front.policies)}, and its subnets name {sorted(named)}")


def _same(found: Iterable[str], tasks: list[str], what: str) -> None:
    if set(found) != set(tasks):
        raise InputError(f"{what} is about {', '.join(sorted(found))}, and its tasks are {', '.join(sorted(tasks))}")
