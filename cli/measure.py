"""`pliant bench` and `pliant profile`: how long every subnet takes on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..devices.errors import BudgetError
from .options import (
    Json,
    Latency,
    Prefer,
    Provider,
    Quantile,
    Subnets,
    Suite,
    Tasks,
    Threads,
    once,
    path_option,
    request,
)
from .places import check_file, suite_at
from .progress import note, progress_bar

if TYPE_CHECKING:
    from ..devices.measure import Measurement
    from ..devices.profile import DeviceProfile
    from ..runtime.format.manifest import SubnetInfo
    from ..runtime.suite import Suite as OpenSuite
    from .board import Board
    from .progress import Report

# Subnets that are loaded at once and measured in turns; more would not fit a small board's memory.
_TOGETHER = 8


def bench(
    model: Suite,
    subnets: Subnets = None,
    tasks: Tasks = None,
    provider: Provider = None,
    threads: Threads = None,
    runs: Annotated[int, typer.Option(min=6, metavar="N", help="Timed runs of each subnet, at least.")] = 60,
    sustained: Annotated[
        str | None, typer.Option(metavar="TIME", help="Call one subnet for so long, as in 30m; show every minute.")
    ] = None,
    latency: Latency = None,
    quantile: Quantile = None,
    prefer: Prefer = None,
    govern: Annotated[bool, typer.Option("--govern", help="Keep the limit by switching, as the load changes.")] = False,
    as_json: Json = False,
) -> None:
    """Measure subnets here: latency percentiles after warm-up, taking turns, through pliant's own call.

    With --sustained one subnet (the widest, that of --subnet, or what --latency plans) is called without a pause, and
    the first minute held against the last: a machine that gets hot gets slow.

    \b
    Examples:
      pliant bench scenes.pliant
      pliant bench scenes.pliant --subnet s01-fp32 --subnet s01-int8 --json
      pliant bench scenes.pliant --sustained 30m --latency 15ms --govern
    """
    from ..devices.fingerprint import read_fingerprint
    from .showing import print_rows
    from .sustained import sustain
    from .tables import print_json

    how = request(tasks=tasks, provider=provider, threads=threads)
    asked = request(tasks=tasks, provider=provider, threads=threads, latency=latency, quantile=quantile, prefer=prefer)
    if sustained is None and (govern or asked != how):
        raise BudgetError("--latency, --quantile, --prefer and --govern go with --sustained, as in --sustained 30m")
    with suite_at(model) as suite:
        if sustained is not None:
            sustain(suite, once(subnets), asked, sustained, govern, as_json)
            return
        chosen = [suite.subnet(name) for name in once(subnets)] or list(suite.subnets)
        with progress_bar() as report:
            rows = [_row(subnet, times) for subnet, times in _measured(suite, chosen, how, runs, report)]
        if as_json:
            print_json({"model": str(suite.path), "machine": read_fingerprint().to_json(), "subnets": rows})
        else:
            note(str(read_fingerprint()))
            print_rows(rows)


def _row(subnet: SubnetInfo, times: Measurement) -> dict[str, Any]:
    costs = {"precision": subnet.precision, "macs": subnet.macs, "bytes": subnet.bytes}
    return {"id": subnet.id, **costs, "latency_ms": times.to_json()}


def _measured(
    suite: OpenSuite, chosen: Sequence[SubnetInfo], how: dict[str, Any], runs: int, report: Report
) -> Iterator[tuple[SubnetInfo, Measurement]]:
    from ..devices.measure import Effort, measure
    from ..runtime.heap import release_memory

    image = suite.witness_input()[0]
    for start in range(0, len(chosen), _TOGETHER):
        group = chosen[start : start + _TOGETHER]
        with ExitStack() as stack:
            models = {subnet.id: stack.enter_context(suite.load(subnet, **how)) for subnet in group}
            calls = {name: (lambda model=model: model(image)) for name, model in models.items()}

            def show(_: str, done: int, total: int, start: int = start, many: int = len(group)) -> None:
                whole = len(chosen) * max(total, 1)
                report("measuring", start * total + many * min(done, total), whole)

            release_memory()
            times = measure(calls, effort=Effort(runs=runs, seconds=0.5 * len(group)), progress=show)
        yield from ((subnet, times[subnet.id]) for subnet in group)


def profile(
    model: Suite,
    out: Annotated[Path, path_option("PROFILE.json", "Where the profile is written.")],
    tasks: Tasks = None,
    provider: Provider = None,
    threads: Threads = None,
    seconds: Annotated[
        float, typer.Option(min=0.0, max=3600.0, metavar="S", help="Longest time for each subnet.")
    ] = 1.5,
    remote: Annotated[
        str | None, typer.Option(metavar="[USER@]HOST[:PORT]", help="Measure on this board, over ssh.")
    ] = None,
    remote_python: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="Python to run there [default: python3].")
    ] = None,
    energy: Annotated[
        bool, typer.Option("--energy", help="Energy too, by the machine's sensor: 2 s a subnet.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure every subnet of a suite, latency and memory, and write a device profile: of this machine, or of a board.

    What is printed is Markdown that can be pasted into an issue. The measurements are also kept for `plan`, where they
    were taken without --remote; `pliant search --device PROFILE.json` annotates the front with them.

    With --remote the suite and pliant's runtime are copied to the board and removed again. It needs Python 3.10, numpy,
    safetensors and onnxruntime; what is missing is named, with the command that installs it.

    \b
    Examples:
      pliant profile scenes.pliant --out here.json
      pliant profile scenes.pliant --remote nvidia@orin --out orin.json
    """
    from ..devices.writing import write_atomically
    from .board import Board
    from .reporting import profile_report
    from .tables import print_json

    if remote is None and remote_python is not None:
        raise BudgetError("--remote-python goes with --remote, as in --remote nvidia@orin")
    board = None
    if remote is not None:
        board = Board.parse(remote, "python3" if remote_python is None else remote_python)
    check_file(out, reads=[Path(model)])
    with suite_at(model) as suite:
        how = request(tasks=tasks, provider=provider, threads=threads, energy=energy)
        found = _profiled(suite, board, how, seconds)
        write_atomically(out, json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n")
        report_text = profile_report(suite, found, _profile_rows(suite, found))
    if as_json:
        print_json(found.to_json())
    else:
        print(report_text)
        note(f"the device profile is in {out}")


def _profiled(suite: OpenSuite, board: Board | None, how: dict[str, Any], seconds: float) -> DeviceProfile:
    from ..runtime.planning.book import CONFIRM
    from ..runtime.planning.profiling import profile_suite
    from .remote_profile import profile_there

    if board is not None:
        return profile_there(suite, board, how, seconds)
    with progress_bar() as report:
        return profile_suite(suite, effort=replace(CONFIRM, seconds=seconds), progress=report, **how)


def _profile_rows(suite: OpenSuite, found: DeviceProfile) -> list[dict[str, Any]]:
    """Measurements by subnet; a profile's keys begin with the graph's digest."""
    rows = []
    for subnet in suite.subnets:
        starts = tuple(f"{graph.sha256}/" for graph in subnet.graphs.values())
        times = next((value for key, value in found.latency.items() if key.startswith(starts)), None)
        use = next((value for key, value in found.memory.items() if key.startswith(starts)), None)
        spent = next((value for key, value in found.energy.items() if key.startswith(starts)), None)
        if times is not None:
            measured = {"memory_bytes": use.peak if use else None, "energy_mj": spent.millijoules if spent else None}
            rows.append({**_row(subnet, times), **measured})
    return rows
