"""Whose ranges? The same subnets, places, weights and corrections; only the ranges of activations by each calibrator.

    python -m pliant.benchmarks.peers.ranges CHECKPOINT

A tensor of which a calibrator says nothing keeps pliant's range, and the table says of how many it spoke.
"""

from __future__ import annotations

import argparse
import os
import shlex
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pliant.export.build import PARITY_IMAGES
from pliant.export.engine import Engine
from pliant.export.feeds import Feed, int8_feed
from pliant.export.mixing import relative_drop
from pliant.export.noise import signal_to_noise
from pliant.export.quality import measure_quality
from pliant.quantize.calibrate import calibrate
from pliant.quantize.ranges import Range
from pliant.training.checkpoints.checkpoint import load_checkpoint, resolve

from ..dated import save_dated
from .calibrators import CALIBRATORS, Found
from .subnets import Subnets

WIDTHS = (1.0, 0.5, 0.25)
OURS = "pliant"
Entry = dict[str, Any]


def main() -> int:
    """Find, judge, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m pliant.benchmarks.peers.ranges")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--widths", nargs="+", type=float, default=list(WIDTHS))
    parser.add_argument("--calibrators", nargs="+", choices=CALIBRATORS, default=list(CALIBRATORS))
    parser.add_argument("--split", default="validation")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    os.environ["NNCF_TELEMETRY_DISABLED"] = "1"
    loaded = load_checkpoint(resolve(chosen.checkpoint)[0])
    subnets = Subnets(loaded, chosen.split)
    rows = [row for width in chosen.widths for row in _of_width(subnets, width, chosen.calibrators)]
    command = (
        f"python -m pliant.benchmarks.peers.ranges CHECKPOINT --widths {' '.join(map(str, chosen.widths))} "
        f"--split {chosen.split} --calibrators {shlex.join(chosen.calibrators)}"
    )
    counts = {"images": len(subnets.quality), "calibration": len(subnets.calibration)}
    entry = {"recipe": loaded.recipe.to_json(), "split": chosen.split, **counts, "rows": rows}
    path = save_dated(f"ranges-{loaded.recipe.name}", chosen.results, command, entry)
    print(_table(rows, [task.name for task in subnets.tasks]), path, sep="\n")
    return 0


def _of_width(subnets: Subnets, width: float, calibrators: list[str]) -> list[Entry]:
    fp32 = subnets.fp32(subnets.supernet.space.uniform(width, width))
    judge = _Judge(subnets, fp32)
    began = time.perf_counter()
    lowered = subnets.whole
    ours = calibrate(fp32.graph, fp32.arrays, lowered.ranged, subnets.batches, lowered.by_channel)
    rows = [judge.row(width, OURS, ours, len(ours), time.perf_counter() - began)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fp32.onnx"
        subnets.save(fp32, path)
        for name in calibrators:
            began = time.perf_counter()
            found = CALIBRATORS[name](path, subnets.calibration)
            seconds = time.perf_counter() - began
            spoken = sum(tensor in found for tensor in ours)
            rows.append(judge.row(width, name, _instead(ours, found), spoken, seconds))
            print(rows[-1], flush=True)
    return rows


def _instead(ours: Mapping[str, Range], found: Found) -> dict[str, Range]:
    """Their ranges where they have one, with what is known of channels."""
    return {
        name: replace(each, low=found[name][0], high=found[name][1]) if name in found else each
        for name, each in ours.items()
    }


class _Judge:
    """What ranges are worth: raw outputs' signal over noise, and the loss of every task."""

    def __init__(self, subnets: Subnets, fp32: Feed):
        self.subnets, self.fp32 = subnets, fp32
        self.images = subnets.quality.images[:PARITY_IMAGES]
        self.raw = [f"{task.name}/logits" for task in subnets.tasks]
        self.expected = Engine(fp32, self.raw, "a subnet in fp32")(self.images)
        self.quality = self._quality(fp32)

    def _quality(self, feed: Feed) -> dict[str, float]:
        tasks = self.subnets.tasks
        return measure_quality(Engine(feed, [task.name for task in tasks], "a subnet"), tasks, self.subnets.quality)

    def row(self, width: float, method: str, ranges: Mapping[str, Range], spoken: int, seconds: float) -> Entry:
        """The result of one calibrator; `seconds` are those of finding the ranges of `spoken` tensors."""
        feed = int8_feed(self.subnets.whole, self.subnets.wide, self.fp32, ranges)
        found, quality = Engine(feed, self.raw, "a subnet in int8")(self.images), self._quality(feed)
        decibels = {name.split("/")[0]: signal_to_noise(self.expected[name], found[name]) for name in self.raw}
        loss = {
            task.name: relative_drop(task, self.quality[task.name], quality[task.name]) for task in self.subnets.tasks
        }
        counts = {"tensors": len(ranges), "spoken_of": spoken, "seconds": seconds}
        return {"width": width, "method": method, **counts, "decibels": decibels, "loss": loss}


def _table(rows: list[Entry], tasks: list[str]) -> str:
    lines = [
        f"| width | ranges by | tensors | seconds | dB: {', '.join(tasks)} | worst loss |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        decibels = ", ".join(f"{row['decibels'][task]:.1f}" for task in tasks)
        task, loss = max(row["loss"].items(), key=lambda pair: pair[1])
        counts = f"{row['spoken_of']} of {row['tensors']} | {row['seconds']:.1f}"
        lines.append(f"| {row['width']:g} | {row['method']} | {counts} | {decibels} | {task} {loss:+.2%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
