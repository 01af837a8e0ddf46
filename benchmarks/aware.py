"""What quantization-aware training gives back of what int8 costs: two trainings that part ways before the end.

    python benchmarks/aware.py --recipe redkitchen --share 0.2 --folder out/aware --out benchmarks/results

A recipe is trained; the state before the last `share` of its steps also goes on with `quantization_aware`. Uniform
subnets of both are measured in fp32 and, all layers but the heads, in int8 by onnxruntime. The loss is relative to the
fp32 of the plain training, for both. Writes `aware-<recipe>-<hardware>-<date>.json`; started again, it goes on.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from pliant.benchmarks.dated import save_dated
from pliant.devices.dialect import get_dialect
from pliant.export.forms import Forms
from pliant.export.mixing import relative_drop
from pliant.models.space import SubnetConfig
from pliant.quantize.policy import Policy
from pliant.search.integers import Images, IntegerEvaluator
from pliant.training.checkpoint import RECORD, load_checkpoint, resolve, steps
from pliant.training.data.batches import batches_per_epoch
from pliant.training.evaluate import load_batches
from pliant.training.evaluator import Evaluator
from pliant.training.loop import train
from pliant.training.prepare import open_split
from pliant.training.progress import Silent, StepReport
from pliant.training.recalibrate import recalibration_batches
from pliant.training.recipe import Recipe
from pliant.training.recipe_file import load_recipe

Entry = dict[str, Any]
WORTH = 0.01
"""The loss from which on it is worth asking what was given back."""


def main() -> int:
    """Train what is not trained, measure, print and keep."""
    parser = argparse.ArgumentParser(description="What quantization-aware training gives back.")
    parser.add_argument("--recipe", default="redkitchen")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--share", type=float, default=0.2, help="of all steps, the last; over 0 and under 1")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--folder", type=Path, default=Path("out/aware"), help="where the trainings lie")
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    chosen = parser.parse_args()
    recipe = load_recipe(chosen.recipe, chosen.settings)
    if not 0 < chosen.share < 1:
        parser.error(f"--share {chosen.share} is not over 0 and under 1")
    _train(recipe, chosen.share, chosen.folder)
    rows = _rows(*(_measured(chosen.folder / name, recipe, chosen.split) for name in ("plain", "aware")))
    for row in rows:
        losses = " ".join(f"{name} {row[name]['loss']:+.2%}" for name in ("plain", "aware"))
        print(f"{row['width']:g} {row['task']}: fp32 {row['plain']['fp32']:.4g}, int8 loses {losses}")
    worth = [row for row in rows if row["plain"]["loss"] > WORTH]
    if worth:
        kept = sum(row["aware"]["loss"] for row in worth) / sum(row["plain"]["loss"] for row in worth)
        print(f"{len(worth)} of {len(rows)} lose over {WORTH:.0%}; of their loss {1 - kept:.0%} is given back")
    else:
        print(f"none of {len(rows)} loses over {WORTH:.0%}: there is nothing to give back")
    entry = {"recipe": recipe.to_json(), "share": chosen.share, "split": chosen.split, "rows": rows}
    print(save_dated(f"aware-{recipe.name}", chosen.out, f"python {shlex.join(sys.argv)}", entry))
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


def _train(recipe: Recipe, share: float, folder: Path) -> None:
    total = recipe.training.epochs * batches_per_epoch(open_split(recipe, "train"), recipe.training.batch_size)
    # The first step that rounds: see training/objective.py.
    fork = next(step for step in range(total) if step / total >= 1.0 - share)
    every = f"training.checkpoint_every={fork}"
    plain, aware = folder / "plain", folder / "aware"
    fresh = not steps(plain)
    train(recipe.with_overrides([every]), plain, resume=not fresh, progress=_Fork(plain, aware, fork))
    changed = recipe.with_overrides([every, f"training.quantization_aware={share}"])
    if not steps(aware):
        raise SystemExit(f"{plain} went past step {fork} without a copy of it: remove {folder} and start again")
    record = steps(aware)[0] / RECORD
    entry = json.loads(record.read_text())
    record.write_text(json.dumps({**entry, "recipe": changed.to_json()}))
    train(changed, aware, resume=True, progress=_Fork(aware, aware, fork))


def _measured(folder: Path, recipe: Recipe, split: str) -> dict[tuple[float, str], Entry]:
    """By width and task, quality in fp32 and in int8."""
    supernet = load_checkpoint(resolve(folder)[0]).supernet.eval()
    training = open_split(recipe, "train")
    judged = load_batches(open_split(recipe, split))
    evaluator = Evaluator(supernet, recalibration_batches(training, recipe.training), judged)
    count = recipe.quantize.calibration_images
    images = Images.of(load_batches(training, count), judged, count)
    forms = Forms(supernet, {"int8": Policy()}, get_dialect("onnxruntime"))
    integers = IntegerEvaluator(forms, "int8", evaluator, images)
    found: dict[tuple[float, str], Entry] = {}
    for width in supernet.space.encoder_widths:
        config: SubnetConfig = supernet.space.uniform(width, width)
        fp32 = evaluator.quality(config)
        int8 = integers.table(config.encoder, {task.name: [width] for task in supernet.tasks})
        for task in supernet.tasks:
            found[width, task.name] = {"task": task, "fp32": fp32[task.name], "int8": int8[task.name][width]}
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
