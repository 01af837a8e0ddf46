"""`pliant bench --sustained`: one subnet called without a pause for minutes, and what became of it minute by minute."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..devices.errors import BudgetError
from .progress import progress_bar
from .slices import MINUTE, Run, Slice
from .tables import milliseconds, print_json, print_lines, print_table

if TYPE_CHECKING:
    from ..runtime.model import Model
    from ..runtime.suite import Suite


def duration(given: str) -> float:
    """`"30m"` -> 1800.0 seconds; BudgetError says what to write."""
    from ..runtime.planning.budget import Quantity

    units = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
    seconds = Quantity("time", units, ("s", "m", "h"), "30m").parse(given)
    if not 1.0 <= seconds <= 100 * 3600.0:
        raise BudgetError(f"a sustained bench lasts from 1s to 100h, not {given.strip()}")
    return seconds


def sustain(suite: Suite, names: Sequence[str], asked: dict[str, Any], time_given: str, govern: bool, js: bool) -> None:
    """Run the subnet that is named, planned by a latency, or the widest; print what became of it."""
    from ..runtime.heap import release_memory

    seconds = duration(time_given)
    with _loaded(suite, names, asked, govern) as model:
        first, run = model.subnet.id, Run(seconds, min(MINUTE, seconds / 10.0))
        interrupted = False
        release_memory()
        try:
            with progress_bar() as report:
                run.run(model, suite.witness_input()[0], report)
        except KeyboardInterrupt:
            interrupted = True
    (_print_json if js else _print)(suite, model, first, run)
    if interrupted:
        raise KeyboardInterrupt(f"interrupted after {_clock(run.took)} of {_clock(seconds)}")


def _loaded(suite: Suite, names: Sequence[str], asked: dict[str, Any], govern: bool) -> Model:
    how = {word: asked[word] for word in ("tasks", "provider", "threads") if word in asked}
    budget = asked.keys() - how.keys()
    if len(names) > 1 or (names and (budget or govern)):
        raise BudgetError("--sustained runs one subnet: name it with --subnet, or plan it with --latency, not both")
    if budget or govern:
        if "latency" not in asked:
            raise BudgetError("what is planned or governed here needs a latency: say which, as in --latency 15ms")
        with progress_bar() as report:
            chosen = suite.plan(**asked, progress=report)
        return suite.load(chosen, govern=govern)
    return suite.load(names[0] if names else None, **how)


def _print_json(suite: Suite, model: Model, first: str, run: Run) -> None:
    from ..devices.fingerprint import read_fingerprint

    ends, governor = run.ends, model.governor
    print_json(
        {
            "model": str(suite.path),
            "machine": read_fingerprint().to_json(),
            "subnet": first,
            "asked_s": run.seconds,
            "took_s": run.took,
            "target_ms": governor.target_ms if governor else None,
            "slices": [one.to_json() for one in run.slices],
            "last_to_first": None if ends is None else {name: _ratio(ends, name) for name in ("p50", "p95")},
            "steps": [step.to_json() for step in governor.steps] if governor else [],
        }
    )


def _print(suite: Suite, model: Model, first: str, run: Run) -> None:
    warm = any(one.celsius is not None for one in run.slices)
    power = any(one.watts is not None for one in run.slices)
    governed = model.governor is not None
    head = ["minute" if run.every == MINUTE else "from", "calls", "p50 ms", "p95 ms"]
    print_table(
        [*head, *["°C"] * warm, *["W"] * power, *["steps"] * governed, "subnets"],
        [
            [
                _label(run, one),
                str(one.times.runs),
                milliseconds(one.times.p50),
                milliseconds(one.times.p95),
                *[_tenths(one.celsius)] * warm,
                *[_tenths(one.watts)] * power,
                *[str(len(one.subnets) - 1)] * governed,
                ", ".join(dict.fromkeys(one.subnets)),
            ]
            for one in run.slices
        ],
    )
    lines = [*_compared(run), *_kept(model, run)]
    if lines:
        print()
        print_lines(lines)


def _compared(run: Run) -> list[tuple[str, str]]:
    if run.ends is None:
        return []
    first, last = run.ends
    lines = []
    for name in ("p50", "p95"):
        ratio = _ratio(run.ends, name)
        if ratio is not None:
            seen = (f"{milliseconds(getattr(one.times, name))} ms {_where(run, one)}" for one in (first, last))
            lines.append((name, f"{', '.join(seen)}: {ratio:.2f} times"))
    return lines


def _where(run: Run, one: Slice) -> str:
    return f"in minute {_label(run, one)}" if run.every == MINUTE else f"from {_label(run, one)}"


def _kept(model: Model, run: Run) -> list[tuple[str, str]]:
    governor = model.governor
    if governor is None or governor.target_ms is None:
        return []
    start = time.time() - run.took
    steps = [(_clock(max(step.when - start, 0.0)), str(step)) for step in governor.steps]
    count = {0: "no steps", 1: "1 step"}.get(len(steps), f"{len(steps)} steps")
    return [("target", f"{milliseconds(governor.target_ms)} ms; {count}"), *steps]


def _ratio(ends: tuple[Slice, Slice], name: str) -> float | None:
    before, after = (getattr(one.times, name) for one in ends)
    return None if before is None or after is None else after / before


def _label(run: Run, one: Slice) -> str:
    if run.every == MINUTE:
        return str(round(one.start / MINUTE) + 1)
    return _clock(one.start) if run.every >= 10.0 else f"{one.start:.1f} s"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _tenths(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
