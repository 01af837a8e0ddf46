"""What `pliant export` does: open the checkpoint's own data, export the front, show what came out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices.words import counted
from .checkpoints import opened
from .places import check_file
from .plain import one_line
from .stopping import stopped_by_sigterm
from .tables import macs, print_json, print_table, quality, size

if TYPE_CHECKING:
    from ..export.report import ExportReport
    from .progress import Report

MOST_TOLD = 4
"""Subnets over a limit that are told one by one."""


@stopped_by_sigterm()
def run(checkpoint: Path, front: Path, out: Path, report: Report) -> ExportReport:
    """Export a front's subnets; images are those that the checkpoint's recipe names."""
    from ..export.pipeline import export_suite
    from ..export.settings import ExportData
    from ..search.front.front import Front
    from ..training.prepare import open_split

    check_file(out, reads=[front])
    source = opened(checkpoint)
    chosen = Front.load(front)
    recipe = source.recipe
    train, validation = open_split(recipe, "train"), open_split(recipe, "validation")
    data = ExportData(train, validation)
    return export_suite(
        source,
        [entry.config for entry in chosen.entries],
        out,
        data=data,
        policies=chosen.policies,
        precisions=recipe.quantize.precisions,
        calibration_images=recipe.quantize.calibration_images,
        max_drop=recipe.quantize.max_drop,
        evaluations=recipe.quantize.evaluations,
        quality_images=recipe.search.validation_images or len(validation),
        progress=report,
    )


def print_exported(report: ExportReport, out: Path, as_json: bool) -> None:
    """Each exported subnet, how far from torch it is, and the file."""
    if as_json:
        print_json(report.to_json())
        return
    tasks = list(report.subnets[0].quality)
    rows = [
        (subnet.id, macs(subnet.macs), size(subnet.bytes), *(quality(subnet.quality[task]) for task in tasks))
        for subnet in report.subnets
    ]
    print_table(("subnet", "macs", "bytes", *tasks), rows)
    for line in _without_int8(report):
        print(one_line(line))
    took = report.seconds.get("total", 0.0)
    print(f"fp32 graphs differ from torch by {report.worst_parity:.1e} of an output's range at most")
    print(one_line(f"{out}: {counted(len(report.subnets), 'subnet')}, {size(report.size)}, {took:.0f} s"))


def _without_int8(report: ExportReport) -> list[str]:
    """A line on blocks that stayed in fp32, and one on subnets that are not offered below; then of other engines."""
    refused = [subnet.id for subnet in report.subnets if subnet.refused]
    lines = _in_fp32("", {subnet.id: subnet.floats for subnet in report.subnets})
    if refused:
        lines.append(f"not offered below fp32, which costs a task more than quantize.max_drop: {', '.join(refused)}")
    return [*lines, *_over(report), *_elsewhere(report)]


def _over(report: ExportReport) -> list[str]:
    """A line on subnets that are as the front says, though that costs a task more than it may; the worst first."""
    lost = [(max(each.over.values()), each) for each in report.subnets if each.over]
    if not lost:
        return []
    lost.sort(key=lambda pair: -pair[0])
    shown = [
        f"{each.id} (costs {', '.join(f'{task} {drop:.1%}' for task, drop in each.over.items())})" for _, each in lost
    ]
    more = f" and {len(shown) - MOST_TOLD} more" if len(shown) > MOST_TOLD else ""
    return [f"as the front has them, over quantize.max_drop: {', '.join(shown[:MOST_TOLD])}{more}"]


def _elsewhere(report: ExportReport) -> list[str]:
    """The same of the graphs for other engines, where those differ."""
    lines: list[str] = []
    mine = {subnet.id: subnet.floats for subnet in report.subnets}
    for target in dict.fromkeys(target for subnet in report.subnets for target in subnet.elsewhere):
        found = {subnet.id: subnet.elsewhere[target] for subnet in report.subnets if target in subnet.elsewhere}
        lines += _in_fp32(f"for {target} ", {name: kept for name, kept in found.items() if kept and kept != mine[name]})
        absent = [name for name, kept in found.items() if kept is None]
        if absent:
            lines.append(f"not offered for {target}, where they cost a task more than it may: {', '.join(absent)}")
    return lines


def _in_fp32(where: str, floats: Mapping[str, tuple[str, ...]]) -> list[str]:
    count = sum(map(bool, floats.values()))
    blocks = ", ".join(sorted({block for kept in floats.values() for block in kept}))
    return [f"{where}{counted(count, 'subnet')} below fp32 with blocks in fp32: {blocks}"] if count else []
