"""What the graphs for an engine that is not here cost each task: onnxruntime computes them as they stand.

    python benchmarks/lowered.py out/suites/redkitchen-mobilenetv2.pliant --target tensorrt --out benchmarks/results

Export measures quality with onnxruntime's own graphs. Those for other engines round elsewhere and otherwise (TensorRT's
activations are signed and symmetric), so here each runs without optimizations, operator by operator: what it would
answer, but for an engine's order of summation. No time is measured. Subnets of low precision are compared with their
twins in fp32 on the images of a split; writes `lowered-<target>-<suite>-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pliant
from pliant.benchmarks.dated import save_dated
from pliant.benchmarks.twins import twins
from pliant.export.engine import literal_session
from pliant.export.mixing import relative_drop
from pliant.export.quality import Labelled, Run, measure_quality, read_labelled
from pliant.runtime.format.manifest import SubnetInfo
from pliant.runtime.suite import Suite
from pliant.training.prepare import open_split
from pliant.training.recipe.file import load_recipe

Entry = dict[str, Any]


def main() -> int:
    """Measure, print and keep the losses of every subnet of low precision."""
    parser = argparse.ArgumentParser(description="What the graphs for another engine cost each task.")
    parser.add_argument("suite", type=Path)
    parser.add_argument("--recipe", default="redkitchen", help="whose data the suite is judged on")
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="of the recipe"
    )
    parser.add_argument("--split", default="test")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--target", default="tensorrt")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    with pliant.open_suite(chosen.suite) as suite:
        height, width = suite.input.height, suite.input.width
        recipe = load_recipe(chosen.recipe, chosen.settings)
        data = read_labelled(open_split(recipe, chosen.split), chosen.images, (height, width))
        rows = [_row(suite, *pair, chosen.target, data) for pair in twins(suite)]
    worst = max((drop, row["id"], task) for row in rows for task, drop in row["drops"].items())
    print(f"{len(rows)} subnets, {len(data)} images; most is lost by {worst[1]} in {worst[2]}: {worst[0]:+.2%}")
    entry = {"suite": chosen.suite.stem, "target": chosen.target, "split": chosen.split, "rows": rows}
    name = f"lowered-{chosen.target}-{chosen.suite.stem}"
    print(save_dated(name, chosen.out, f"python {shlex.join(sys.argv)}", {**entry, "images": len(data)}))
    return 0


def _row(suite: Suite, low: SubnetInfo, fp32: SubnetInfo, target: str, data: Labelled) -> Entry:
    tasks = tuple(suite.tasks.values())
    found, base = (measure_quality(as_it_stands(suite, each, target), tasks, data) for each in (low, fp32))
    drops = {task.name: relative_drop(task, base[task.name], found[task.name]) for task in tasks}
    told = ", ".join(f"{task} {drop:+.2%}" for task, drop in drops.items())
    print(f"{low.id} loses {told}", flush=True)
    return {"id": low.id, "twin": fp32.id, "precision": low.precision, "quality": found, "fp32": base, "drops": drops}


def as_it_stands(suite: Suite, subnet: SubnetInfo, target: str) -> Run:
    """The graph for a target, as it stands, decoded outputs only."""
    with tempfile.TemporaryDirectory() as folder:
        path, _ = suite.extract(subnet.id, Path(folder) / "subnet.onnx", target=target)
        session = literal_session(str(path), f"subnet {subnet.id}")
    names, image = list(suite.tasks), session.get_inputs()[0].name

    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, session.run(names, {image: images}), strict=True))

    return run


if __name__ == "__main__":
    raise SystemExit(main())
