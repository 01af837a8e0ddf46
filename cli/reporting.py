"""The report of `pliant profile`: plain Markdown, to be read in a terminal and pasted into an issue as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .plain import one_line
from .tables import macs, milliseconds, size

if TYPE_CHECKING:
    from ..devices.profile import DeviceProfile
    from ..runtime.suite import Suite

_COLUMNS = ("subnet", "macs", "p10 ms", "p50 ms", "p95 ms", "runs", "spread", "memory")


def profile_report(suite: Suite, found: DeviceProfile, rows: Sequence[dict[str, Any]]) -> str:
    """What was measured, on what, and every subnet's latency and memory. Names no user, host or path."""
    name = f"{suite.manifest.name} ({len(rows)} of {len(suite.subnets)} subnets)"
    facts = _table(("pliant profile", name), _facts(found))
    energies = [row["energy_mj"] for row in rows]
    if not any(energies):
        return f"{facts}\n\n{_table(_COLUMNS, map(_row, rows))}"
    spent = ["-" if each is None else f"{each:.3g} mJ" for each in energies]
    wide = ((*_row(row), each) for row, each in zip(rows, spent, strict=True))
    return f"{facts}\n\n{_table((*_COLUMNS, 'energy'), wide)}"


def _facts(found: DeviceProfile) -> Iterator[tuple[str, str]]:
    from .. import __version__
    from ..devices.jetpack import jetpack_of
    from ..devices.targets import match_card, match_target

    machine = found.fingerprint
    isa = ", ".join(machine.isa) or "no known instruction sets"
    yield "machine", f"{machine.board or machine.cpu or machine.machine}, {machine.cores} cores ({isa})"
    yield "memory", size(machine.memory)
    for gpu in machine.gpus:
        yield "graphics", gpu
    targets = [target.name for target in (match_target(machine), match_card(machine)) if target is not None]
    yield "target", ", ".join(targets) or "none fits"
    yield "system", machine.system
    settings = dict(machine.settings)
    if jetpack := jetpack_of(settings.get("l4t", "")):
        yield "JetPack", jetpack
    yield from ((key.replace("_", " "), value) for key, value in settings.items())
    yield "engines", ", ".join(f"{name} {version}" for name, version in machine.engines) or "none"
    yield from _how(found)
    yield "pliant", f"{__version__}; fingerprint {machine.digest[:12]}"


def _how(found: DeviceProfile) -> Iterator[tuple[str, str]]:
    """Input, provider, threads and tasks, out of any of the keys: all subnets of a profile were run alike."""
    for key in list(found.latency)[:1]:
        _, shape, provider, threads, tasks = key.split("/", 4)
        yield "run", f"{shape}, {provider}, threads {threads if threads != '0' else 'of the engine'}"
        yield "tasks", tasks.replace(",", ", ")
        for use in list(found.energy.values())[:1]:
            yield "energy", f"{use.covers} ({use.sensor}), what it takes when idle included"
        if busy := sum(each.disturbed for each in found.latency.values()):
            told = f"{busy} of {len(found.latency)} subnets were measured while something else ran"
            yield "disturbed", f"{told}: measure again on an idle machine"
        yield "spread", f"95 % interval of the p{100 * found.latency[key].quantile:g}, or its drift where that is more"


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    times, memory = row["latency_ms"], row["memory_bytes"]
    return (
        row["id"],
        macs(row["macs"]),
        *(milliseconds(times[name]) for name in ("p10", "p50", "p95")),
        str(times["runs"]),
        "-" if times["spread"] is None else f"{times['spread']:.0%}",
        "-" if memory is None else size(memory),
    )


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table whose columns are aligned for people too: words to the left, the others to the right."""
    cells = [[one_line(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(3, *(len(row[index]) for row in cells)) for index in range(len(head))]
    words = len(head) == 2
    rule = [width * "-" if words or not index else (width - 1) * "-" + ":" for index, width in enumerate(widths)]
    lines = [cells[0], rule, *cells[1:]]
    return "\n".join(f"| {' | '.join(_padded(line, widths, words))} |" for line in lines)


def _padded(line: list[str], widths: list[int], words: bool) -> Iterator[str]:
    for index, (cell, width) in enumerate(zip(line, widths, strict=True)):
        yield cell.ljust(width) if words or not index else cell.rjust(width)
