"""How suites and plans look: the JSON of `inspect`, and the tables of `inspect`, `verify` and `plan`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .tables import macs, milliseconds, print_folded, print_lines, print_table, quality, quality_head, size

if TYPE_CHECKING:
    from ..runtime.format.manifest import SubnetInfo
    from ..runtime.format.tasks import Task
    from ..runtime.planning.plan import Plan
    from ..runtime.suite import Suite
    from ..runtime.verify import VerifyResult


_FRACTIONS = {0.25: "¼", 0.5: "½", 0.75: "¾"}


def inspect_json(suite: Suite) -> dict[str, Any]:
    """What `inspect --json` prints."""
    from ..runtime.format.signing import signer

    manifest = suite.manifest
    return {
        "format_version": manifest.format_version,
        "name": manifest.name,
        "path": str(suite.path),
        "file_bytes": suite.path.stat().st_size,
        "input": asdict(manifest.input),
        "tasks": {name: task.to_json() for name, task in manifest.tasks.items()},
        "subnets": [subnet_json(subnet) for subnet in manifest.subnets],
        "quality_data": asdict(manifest.quality_data),
        "provenance": manifest.provenance,
        "signer": signer(suite),
    }


def subnet_json(subnet: SubnetInfo) -> dict[str, Any]:
    """One subnet as JSON."""
    return {
        "id": subnet.id,
        "widths": subnet.widths._asdict(),
        "precision": subnet.precision,
        "macs": subnet.macs,
        "bytes": subnet.bytes,
        "parts": {
            "encoder": subnet.encoder._asdict(),
            "decoders": {task: cost._asdict() for task, cost in subnet.decoders.items()},
        },
        "quality": {task: quality._asdict() for task, quality in subnet.quality.items()},
        "targets": sorted(subnet.graphs),
    }


def print_suite(suite: Suite) -> None:
    """What a suite is, its tasks and its subnets."""
    from ..runtime.format.signing import signer

    manifest = suite.manifest
    shape, data = manifest.input, manifest.quality_data
    fewest, most = shape.batch
    lines = [
        ("suite", f"{manifest.name}, {size(suite.path.stat().st_size)}, format {manifest.format_version}"),
        ("input", f"uint8 RGB, {shape.width} wide, {shape.height} high, {fewest} to {most} images a call"),
        *((f"task {name}", _task_line(task)) for name, task in manifest.tasks.items()),
        ("quality", f"on {data.images} images of {data.name} ({data.split}), by {data.engine}"),
    ]
    who = signer(suite)
    if who is not None:
        lines.append(("signed", f"by {who}, it says (`pliant verify --key` checks it)"))
    print_lines(lines)
    print()
    tasks = tuple(manifest.tasks.values())
    columns = ("subnet", "encoder", "decoders", "macs", "bytes", *(quality_head(task) for task in tasks))
    print_table(columns, [_subnet_row(subnet, tasks) for subnet in manifest.subnets])


def _task_line(task: Task) -> str:
    if task.classes:
        names = ", ".join(task.classes[:8]) + (", ..." if len(task.classes) > 8 else "")
        return f"{task.kind}, {len(task.classes)} classes: {names}"
    low, high = task.value_range
    return f"{task.kind}, {task.units}, {low:g} to {high:g}"


def _subnet_row(subnet: SubnetInfo, tasks: tuple[Task, ...]) -> tuple[str, ...]:
    return (
        subnet.id,
        _widths(subnet.widths.encoder),
        _widths(tuple(subnet.widths.decoders.values())),
        macs(subnet.macs),
        size(subnet.bytes),
        *(quality(subnet.quality[task.name].value) if task.name in subnet.quality else "-" for task in tasks),
    )


def _widths(widths: tuple[float, ...]) -> str:
    """One width where all are the same, else one each: `1 ½ ½ ¼`."""
    shown = widths[:1] if len(set(widths)) == 1 else widths
    known = _FRACTIONS if (sys.stdout.encoding or "").lower().startswith("utf") else {}
    return " ".join(known.get(width, f"{width:g}".removeprefix("0")) for width in shown)


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Latency percentiles, one subnet a line; last how uncertain the one is that measuring was steered by."""
    names = ("min", "p10", "p50", "p90", "p95", "p99")
    steered = next((100 * row["latency_ms"]["quantile"] for row in rows), 50)
    print_table(
        ("subnet", "macs", *(f"{name}\nms" for name in names), "runs", f"p{steered:g}\n±"),
        [
            (
                row["id"],
                macs(row["macs"]),
                *(_ms(row, name) for name in names),
                str(row["latency_ms"]["runs"]),
                _spread(row),
            )
            for row in rows
        ],
    )
    for line in (_untold(rows, names[1:]), _busy(rows), _slower_though_thinner(rows)):
        if line:
            print(line)


def _untold(rows: list[dict[str, Any]], names: Sequence[str]) -> str:
    """Why there is a dash for a number, and how many runs tell it."""
    from ..devices.measure import runs_needed

    dashed = [name for name in names if any(row["latency_ms"][name] is None for row in rows)]
    if not dashed and all(row["latency_ms"]["spread"] is not None for row in rows):
        return ""
    most = max(runs_needed(int(name[1:]) / 100) for name in dashed or names)
    return f"-: too few runs to tell; --runs {most} tells every column"


def _busy(rows: list[dict[str, Any]]) -> str:
    """What was measured while something else ran says little; and who compares should know."""
    from ..devices.measure import DISTURBED

    times = [row["latency_ms"] for row in rows]
    busy = sum(each["p50"] is not None and each["p50"] > DISTURBED * each["min"] for each in times)
    return f"{busy} of {len(rows)} subnets were measured while something else ran" if busy else ""


def _ms(row: dict[str, Any], name: str) -> str:
    return milliseconds(row["latency_ms"][name])


def _spread(row: dict[str, Any]) -> str:
    spread = row["latency_ms"]["spread"]
    return "-" if spread is None else f"{spread:.0%}"


def _slower_though_thinner(rows: list[dict[str, Any]]) -> str:
    """A thinner network that is slower is worth a line: fewer multiply-adds are not always quicker."""
    for thin in rows:
        for wide in rows:
            same = thin["precision"] == wide["precision"]
            slower = _quick(thin) / (1.0 + _uncertain(thin)) > 1.1 * _quick(wide) * (1.0 + _uncertain(wide))
            if same and thin["macs"] < 0.9 * wide["macs"] and slower:
                return f"{thin['id']} has fewer multiply-adds than {wide['id']} and is slower here"
    return ""


def _quick(row: dict[str, Any]) -> float:
    times = row["latency_ms"]
    return float(times["p25"] if times["p25"] is not None else times["min"])


def _uncertain(row: dict[str, Any]) -> float:
    return float(row["latency_ms"]["spread"] or 0.0)


def verified_json(model: str, results: list[VerifyResult]) -> dict[str, Any]:
    """What `verify --json` prints."""
    found = {what: [result for result in results if result.what == what] for what in ("signature", "file", "subnet")}
    whole = {what: next((_said(result) for result in found[what]), None) for what in ("signature", "file")}
    subnets = [{"id": result.subnet, **_said(result)} for result in found["subnet"]]
    return {"model": str(model), "ok": all(result.ok for result in results), **whole, "subnets": subnets}


def _said(result: VerifyResult) -> dict[str, Any]:
    return {"ok": result.ok, "detail": result.detail, "max_error": result.max_error}


def print_verified(results: list[VerifyResult]) -> None:
    """What was checked, one subnet a line."""
    rows = [
        (
            result.subnet or result.what,
            "ok" if result.ok else "FAILED",
            "" if result.max_error is None else f"{result.max_error:.1e}",
            result.detail,
        )
        for result in results
    ]
    print_table(("checked", "", "error", "what"), rows)


def print_plan(plan: Plan) -> None:
    """The plan, as it describes itself, folded under its own words where the terminal is narrow."""
    for line in str(plan).splitlines():
        print_folded(line)
