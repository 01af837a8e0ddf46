"""What quantization-aware training gives back of what int8 costs: two trainings that part ways before the end.

    python benchmarks/aware.py --recipe redkitchen --share 0.2 --folder out/aware --out benchmarks/results

A recipe is trained; the state before the last `share` of its steps also goes on with `quantization_aware`. Uniform
subnets of both are measured in fp32 and, all layers but the heads, in int8 by onnxruntime: its own graphs, or with
`--engine tensorrt` that engine's, which it then computes as they stand (as in lowered.py; nothing runs on a GPU). The
loss is relative to the fp32 of the plain training, for both. Writes `aware-<recipe>-<engine>-<hardware>-<date>.json`;
started again, it goes on. The plain training is the same for all engines: with several the second one finds it done.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pliant.benchmarks.dated import save_dated
from pliant.devices.dialect import get_dialect
from pliant.export.engine import Engine
from pliant.export.forms import Forms
from pliant.export.mixing import relative_drop
from pliant.export.quality import measure_quality, read_calibration
from pliant.models.space import SubnetConfig
from pliant.quantize.calibrate import calibrate
from pliant.quantize.policy import Policy
from pliant.search.quality.integers import Images
from pliant.training.checkpoints.checkpoint import load_checkpoint, resolve
from pliant.training.checkpoints.folders import RECORD, steps
from pliant.training.data.batches import batches_per_epoch
from pliant.training.evaluation.evaluator import Evaluator
from pliant.training.evaluation.protocol import load_batches
from pliant.training.evaluation.recalibrate import recalibration_batches
from pliant.training.loop import train
from pliant.training.prepare import open_split
from pliant.training.progress import Silent, StepReport
from pliant.training.recipe.file import load_recipe
from pliant.training.recipe.recipe import Recipe

Entry = dict[str, Any]
WORTH = 0.01
"""The loss from which on it is worth asking what was given back."""


def main() -> int:
    """Train what is not trained, measure, print and keep."""
    parser = argparse.ArgumentParser(description="What quantization-aware training gives back.")
    parser.add_argument("--recipe", default="redkitchen")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--engine", default="onnxruntime", choices=("onnxruntime", "tensorrt"), help="whose int8")
    parser.add_argument("--share", type=float, default=0.2, help="of all steps, the last; over 0 and under 1")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--folder", type=Path, default=Path("out/aware"), help="where the trainings lie")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    recipe = load_recipe(chosen.recipe, chosen.settings)
    if not 0 < chosen.share < 1:
        parser.error(f"--share {chosen.share} is not over 0 and under 1")
    aware = _train(recipe, chosen.share, chosen.folder, chosen.engine)
    folders = chosen.folder / "plain", aware
    rows = _rows(*(_measured(folder, recipe, chosen.split, chosen.engine) for folder in folders))
    for row in rows:
        losses = " ".join(f"{name} {row[name]['loss']:+.2%}" for name in ("plain", "aware"))
        print(f"{row['width']:g} {row['task']}: fp32 {row['plain']['fp32']:.4g}, int8 loses {losses}")
    worth = [row for row in rows if row["plain"]["loss"] > WORTH]
    if worth:
        kept = sum(row["aware"]["loss"] for row in worth) / sum(row["plain"]["loss"] for row in worth)
        print(f"{len(worth)} of {len(rows)} lose over {WORTH:.0%}; of their loss {1 - kept:.0%} is given back")
    else:
        print(f"none of {len(rows)} loses over {WORTH:.0%}: there is nothing to give back")
    entry = {"recipe": recipe.to_json(), "engine": chosen.engine, "share": chosen.share, "split": chosen.split}
    name = f"aware-{recipe.name}-{chosen.engine}"
    print(save_dated(name, chosen.out, f"python {shlex.join(sys.argv)}", {**entry, "rows": rows}))
    return 0


class _Fork(Silent):
    """Keeps a copy of the checkpoint from which the other training goes on."""

    def __init__(self, folder: Path, copy: Path, step: int):
        self.folder, self.copy, self.at = folder, copy, step

    def step(self, report: StepReport) -> None:
        """One step later the checkpoint is there."""
        if report.step % 50 == 0:
            print(f"step {report.step} of {report.steps}", flush=True)
        if report.step == self.at + 1 and not self.copy.exists():
            newest, partial = steps(self.folder)[0], self.copy.with_name(f".{self.copy.name}")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(newest, partial / newest.relative_to(self.folder))
            partial.rename(self.copy)


def _train(recipe: Recipe, share: float, folder: Path, engine: str) -> Path:
    """Both trainings, as far as they are not done; the folder of the one that is aware of the engine."""
    total = recipe.training.epochs * batches_per_epoch(open_split(recipe, "train"), recipe.training.batch_size)
    # The first step that rounds: see training/optimization/objective.py.
    at = next((step for step in range(1, total) if step / total >= 1.0 - share), total - 1)
    every = f"training.checkpoint_every={at}"
    plain, fork, aware = folder / "plain", folder / f"fork-{at}", folder / f"aware-{engine}"
    fresh = not steps(plain)
    train(recipe.with_overrides([every]), plain, resume=not fresh, progress=_Fork(plain, fork, at))
    changed = recipe.with_overrides([every, f"training.quantization_aware={share}", f"training.rounding={engine}"])
    if not steps(aware):
        _begin_from(fork, aware, changed)
    train(changed, aware, resume=True, progress=_Fork(aware, aware, at))
    return aware


def _begin_from(fork: Path, aware: Path, recipe: Recipe) -> None:
    if not steps(fork):
        raise SystemExit(f"{fork} is not there: the plain training went past it; remove its folder and start again")
    partial = aware.with_name(f".{aware.name}")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(fork, partial)
    record = steps(partial)[0] / RECORD
    record.write_text(json.dumps({**json.loads(record.read_text()), "recipe": recipe.to_json()}))
    partial.rename(aware)


def _measured(folder: Path, recipe: Recipe, split: str, engine: str) -> dict[tuple[float, str], Entry]:
    """By width and task, quality in fp32 and in an engine's int8."""
    supernet = load_checkpoint(resolve(folder)[0]).supernet.eval()
    training = open_split(recipe, "train")
    judged = load_batches(open_split(recipe, split))
    evaluator = Evaluator(supernet, recalibration_batches(training, recipe.training), judged)
    count = recipe.quantize.calibration_images
    size = supernet.architecture.height, supernet.architecture.width
    images = Images.of(read_calibration(training, count, size), judged)
    forms = Forms(supernet, {"int8": Policy()}, get_dialect(engine))
    found: dict[tuple[float, str], Entry] = {}
    names = [task.name for task in supernet.tasks]
    for width in supernet.space.encoder_widths:
        config: SubnetConfig = replace(supernet.space.uniform(width, width), precision="int8")
        feed = forms.fp32(config, evaluator.statistics(config))
        ranges = calibrate(feed.graph, feed.arrays, forms.ranged, images.calibration, forms.by_channel)
        fp32 = evaluator.quality(config)
        run = Engine(forms.of(config, feed, ranges), names, "a subnet in int8", literally=forms.dialect.symmetric)
        int8 = measure_quality(run, supernet.tasks, images.quality)
        for task in supernet.tasks:
            found[width, task.name] = {"task": task, "fp32": fp32[task.name], "int8": int8[task.name]}
    return found


def _rows(plain: dict[tuple[float, str], Entry], aware: dict[tuple[float, str], Entry]) -> list[Entry]:
    """A row a width and task, with losses against the plain training's fp32."""
    rows = []
    for (width, name), first in plain.items():
        task, base = first["task"], first["fp32"]
        row: Entry = {"width": width, "task": name, "metric": task.metric, "higher_is_better": task.higher_is_better}
        for method, found in (("plain", first), ("aware", aware[width, name])):
            row[method] = {
                "fp32": found["fp32"],
                "int8": found["int8"],
                "fp32_loss": relative_drop(task, base, found["fp32"]),
                "loss": relative_drop(task, base, found["int8"]),
            }
        rows.append(row)
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
