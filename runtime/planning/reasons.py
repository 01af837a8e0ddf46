"""In words: why a subnet was chosen, why the others were not, and what to do when none can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...devices.errors import NoSubnetFits
from ...devices.words import counted, percent
from .budget import ENERGY, LATENCY, MACS, format_bytes

if TYPE_CHECKING:
    from .choice import Candidate
    from .judge import Judge


def why(chosen: Candidate, ranked: Sequence[Candidate], judge: Judge) -> str:
    """One sentence with the numbers that decided."""
    budget = judge.budget
    parts = []
    if budget.latency_ms is not None:
        value = judge.latency(chosen) or 0.0
        room = judge.room(chosen)
        left = f" (room for the {percent(room)} {judge.reason(chosen)})" if room else ""
        parts.append(
            f"{LATENCY.format(value)} of {LATENCY.format(budget.latency_ms)} at p{budget.quantile * 100:g}{left}"
        )
    use = judge.book.memory(chosen.subnet)
    if budget.memory_bytes is not None and use is not None:
        left = f" (room for the {percent(judge.memory_room)} that peaks differ by)" if judge.memory_room else ""
        parts.append(f"{format_bytes(use.peak)} of {format_bytes(budget.memory_bytes)} memory{left}")
    spent = judge.book.energy(chosen.subnet)
    if budget.energy_mj is not None and spent is not None:
        parts.append(f"{ENERGY.format(spent.millijoules)} of {ENERGY.format(budget.energy_mj)} by {spent.covers}")
    if budget.macs is not None:
        parts.append(f"{MACS.format(chosen.macs)} of {MACS.format(budget.macs)} macs")
    if budget.bytes is not None:
        parts.append(f"{format_bytes(chosen.bytes)} of {format_bytes(budget.bytes)} weights")
    open_ = [candidate for candidate in ranked if not judge.misses(candidate)]
    fitting = sum(not judge.unknown(candidate) for candidate in open_)
    scored = f"score {chosen.score:.4g}{': ' if parts else ''}{', '.join(parts)}"
    if fitting < len(open_):
        return f"it has the best score of {counted(fitting, 'subnet')} known to fit; {scored}"
    if fitting == 1 and len(ranked) > 1:
        return f"it is the only subnet that fits; {scored}"
    field = f"the {fitting} subnets that fit"
    if fitting == len(ranked):
        field = f"all {fitting} subnets, which all fit" if parts or budget.floors else f"all {fitting} subnets"
    return f"it has the best score of {field}; {scored}"


def reason(candidate: Candidate, chosen: Candidate, judge: Judge) -> str:
    """Why a candidate was not chosen, with its numbers."""
    misses = judge.misses(candidate)
    if misses:
        return "; ".join(miss.text for miss in misses)
    if (candidate.score, candidate.macs, candidate.bytes) == (chosen.score, chosen.macs, chosen.bytes):
        return f"scores the same ({chosen.score:.4g}) and costs the same; the first of the two was taken"
    if candidate.score == chosen.score:
        return (
            f"scores the same ({chosen.score:.4g}) and costs more: {MACS.format(candidate.macs)} macs and "
            f"{format_bytes(candidate.bytes)} against {MACS.format(chosen.macs)} and {format_bytes(chosen.bytes)}"
        )
    unknown = judge.unknown(candidate)
    if unknown and candidate.score > chosen.score:
        return (
            f"scores more ({_apart(candidate.score, chosen.score)}), but its {' and '.join(unknown)} was not measured"
        )
    rest = f"; its {' and '.join(unknown)} did not need measuring" if unknown else ", and fits"
    return f"scores less: {_apart(candidate.score, chosen.score)}{rest}"


def passed_by(chosen: Candidate, ranked: Sequence[Candidate], judge: Judge) -> str:
    """What to say where subnets that rank above the chosen one may fit, but were not measured; empty where none."""
    above = ranked[: ranked.index(chosen)]
    count = sum(bool(judge.unknown(candidate)) and not judge.misses(candidate) for candidate in above)
    if not count:
        return ""
    rank_above = "that ranks above it was" if count == 1 else "that rank above it were"
    return f"{counted(count, 'subnet')} {rank_above} not measured here: `pliant profile` measures all"


def _apart(low: float, high: float) -> str:
    """Two scores, with as many digits as it takes to tell them apart."""
    for digits in range(4, 17):
        texts = f"{low:.{digits}g}", f"{high:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return f"{texts[0]} against {texts[1]}"


def not_measured(path: Path, unknown: tuple[str, ...], judge: Judge, ranked: Sequence[Candidate]) -> str:
    """The refusal of `measure="never"`: what is missing or stale, and the command that measures it."""
    missing = [candidate.subnet for candidate in ranked if not judge.misses(candidate) and judge.unknown(candidate)]
    budget = judge.budget
    options = "".join(
        [
            f" --tasks {','.join(budget.tasks)}" if budget.tasks is not None else "",
            f" --provider {budget.provider}" if budget.provider != "cpu" else "",
            f" --threads {budget.threads}" if budget.threads is not None else "",
            " --energy" if "energy" in unknown else "",
        ]
    )
    changed = judge.book.stale(missing)
    state = f"stale ({'; '.join(changed[:3])})" if changed else "not measured here"
    what = " and ".join(unknown) + (f" at p{budget.quantile * 100:g}" if "latency" in unknown else "")
    return (
        f"{what} of {len(missing)} of {counted(len(ranked), 'subnet')} {'is' if len(unknown) == 1 else 'are'} {state}: "
        f"run `pliant profile {path}{options} --out PROFILE.json`, or plan with measure='auto'"
    )


def nothing_fits(ranked: Sequence[Candidate], judge: Judge) -> NoSubnetFits:
    """The error that names the subnet that misses by least, and by how much."""
    # Where the file alone rules some out, the others were measured: they are better known.
    known = [candidate for candidate in ranked if not candidate.misses] or list(ranked)
    misses = {candidate.subnet.id: judge.misses(candidate) for candidate in known}
    # One that was measured, where there is: of others it is known only what they take at least.
    unmeasured = {
        candidate.subnet.id: judge.lacks_memory(candidate) or judge.beyond(candidate) is not None for candidate in known
    }
    name, nearest = min(misses.items(), key=lambda item: (unmeasured[item[0]], max(miss.factor for miss in item[1])))
    texts = "; ".join(miss.text for miss in nearest)
    busy = next((noise(judge, candidate) for candidate in known if candidate.subnet.id == name), "")
    return NoSubnetFits(
        f"none of {counted(len(ranked), 'subnet')} fits; the nearest is {name}: {texts}{busy and '; ' + busy}",
        nearest=name,
        misses={miss.limit: miss.factor for miss in nearest},
    )


def noise(judge: Judge, candidate: Candidate) -> str:
    """What to say where something else used the machine while a candidate was measured; empty where it was quiet."""
    found = judge.book.latency(candidate.subnet)
    if judge.budget.latency_ms is None or found is None or found.p50 is None or not found.disturbed:
        return ""
    times = f"{found.p50 / found.min:.1f} times the quickest, {LATENCY.format(found.min)}"
    # Threads wait for each other: where cores are busy, one thread alone often takes less time than several.
    several = judge.book.provider == "cpu" and judge.book.threads > 1
    mend = ", or with threads=1 (`--threads 1`), which other work slows less" if several else ""
    return f"the machine was busy (its median run took {times}): plan again when it is quiet{mend}"


def crowded(judge: Judge) -> str:
    """What to say where more threads are asked for than there are cores; empty otherwise."""
    threads, cores = judge.budget.threads, judge.book.fingerprint.cores
    if threads is None or not 0 < cores < threads:
        return ""
    return f"{threads} threads share {counted(cores, 'core')} here: latencies are longer and waver"


def close(judge: Judge, candidate: Candidate) -> str:
    """What to say where a choice leaves less room than measurements differ by here; empty where it leaves enough."""
    free = replace(judge, eased=frozenset())
    what = []
    if "latency" in judge.eased and free.tight(candidate):
        what.append(f"latencies measured again come out up to {percent(free.room(candidate))} higher here")
    if "memory" in judge.eased and free.tight_memory(candidate):
        what.append(f"peaks of memory differ by up to {percent(free.memory_room)}")
    return f"it is close: {' and '.join(what)}, and no measured subnet leaves that room" if what else ""
