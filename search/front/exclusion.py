"""Which subnets have no place on a front by what was measured of them: no faster than another, or over a limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...models.space import SubnetConfig
from ..entries import FrontEntry, Latency
from ..limits import Limits
from ..preference import Preference
from ..score import Yardstick
from ..wording import in_words, precision_in_words
from .front import Front
from .provenance import BY_MACS


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


def within_latency(front: Front, limits: Limits) -> tuple[Front, list[str]]:
    """The front without subnets that are over the limit of latency, and a line for each."""
    most = limits.latency_ms
    if most is None:
        return front, []
    slow = [each for each in between(front) if _milliseconds(each) > most]
    lines = [f"left out {in_words(each.config)}: {_milliseconds(each):.3g} ms, over {most:g} ms" for each in slow]
    return without(front, slow), lines


def between(front: Front) -> list[FrontEntry]:
    """All but both ends, which stay on a front whatever they cost."""
    return [each for each in front.entries if each.config not in (front.space.narrowest, front.space.widest)]


def without(front: Front, gone: Sequence[FrontEntry]) -> Front:
    """The front without these entries."""
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
