"""One job: train by a recipe, or by one for each width where each has a network of its own, and judge the widths."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pliant.devices.writing import write_atomically
from pliant.models.cost import CostModel
from pliant.models.space import SubnetConfig
from pliant.runtime.format.tasks import Task
from pliant.training.checkpoints.checkpoint import load_checkpoint, resolve
from pliant.training.checkpoints.folders import steps
from pliant.training.checkpoints.resume import binding
from pliant.training.data.batches import batches_per_epoch
from pliant.training.evaluation.evaluator import Evaluator
from pliant.training.evaluation.protocol import load_batches
from pliant.training.evaluation.recalibrate import recalibration_batches
from pliant.training.loop import train
from pliant.training.prepare import choose_device, open_split
from pliant.training.progress import Progress
from pliant.training.recipe.recipe import Recipe

from .compute import training_macs
from .methods import METHODS, SUBJECTS, WIDTHS, recipe_of

Entry = dict[str, Any]
_LATER = {
    "training.quantization_aware": 0.0,
    "training.subnet_balance": "fixed",
    "training.sort": "none",
    "training.updates": "together",
    "training.coupled": 0.0,
    "training.class_weights": "equal",
    "model.classifier": "pooled",
}


@dataclass(frozen=True)
class Job:
    """What one job is: data set, method, seed."""

    data: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Its name, for files and people."""
        return f"{self.data}-{self.method}-{self.seed}"

    @property
    def digest(self) -> str:
        """Of everything that decides its numbers: what binds a training that resumes, and what it is judged on."""
        recipes: Entry = {
            str(width): {**_binding(recipe), **_judged(recipe)} for width, recipe in self.recipes().items()
        }
        subject = SUBJECTS[self.data]
        if subject.edition > 1:
            recipes["edition"] = subject.edition
        if METHODS[self.method].separate and subject.separate_edition > 1:
            recipes["separate edition"] = subject.separate_edition
        return hashlib.sha256(json.dumps(recipes, sort_keys=True).encode()).hexdigest()[:16]

    def recipes(self) -> dict[float | None, Recipe]:
        """The recipe of the supernet (under None), or one for each width."""
        widths: tuple[float | None, ...] = WIDTHS if METHODS[self.method].separate else (None,)
        return {width: recipe_of(self.data, self.method, self.seed, width) for width in widths}


def _binding(recipe: Recipe) -> Entry:
    """As results were written before these levers were there: off, they change nothing."""
    return {key: value for key, value in binding(recipe).items() if key not in _LATER or value != _LATER[key]}


def _judged(recipe: Recipe) -> Entry:
    names = ("recalibration_images", "validate_every", "validation_images")
    return {name: getattr(recipe.training, name) for name in names}


def run(job: Job, out: Path, split: str, progress: Progress | None = None) -> Entry:
    """Train what is not trained yet in `out`, and judge every width on `split`; the job's result."""
    home = _home(job, out)
    parts = [_trained(recipe, width, home, split, progress) for width, recipe in job.recipes().items()]
    return {
        "rows": [
            {"data": job.data, "method": job.method, **row, "seed": job.seed} for part in parts for row in part["rows"]
        ],
        "curves": [curve for part in parts for curve in part["curves"]],
        **{name: sum(part[name] for part in parts) for name in ("seconds", "macs", "parameter_bytes")},
    }


def train_width(job: Job, width: float, out: Path, progress: Progress | None = None) -> None:
    """Train, or go on training, what `run` will judge of one width of a separate method."""
    _timed(job.recipes()[width], _folder(width, _home(job, out)), progress)


def _home(job: Job, out: Path) -> Path:
    """Where a job's trainings are kept, by digest: what another recipe trained under its name cannot be resumed."""
    return out / f"{job.name}-{job.digest}"


def _folder(width: float | None, home: Path) -> Path:
    return home / ("nested" if width is None else f"width-{width:g}")


def _trained(recipe: Recipe, width: float | None, home: Path, split: str, progress: Progress | None) -> Entry:
    """The result of one training, without the names of its job."""
    folder = _folder(width, home)
    seconds = _timed(recipe, folder, progress)
    checkpoint = load_checkpoint(resolve(folder)[0])
    supernet = checkpoint.supernet.to(choose_device(recipe.training.device))
    training = open_split(recipe, "train")
    evaluator = Evaluator(
        supernet, recalibration_batches(training, recipe.training), load_batches(open_split(recipe, split))
    )
    widths = WIDTHS if width is None else (width,)
    configs = {each: supernet.space.uniform(each, each) for each in widths}
    total = recipe.training.epochs * batches_per_epoch(training, recipe.training.batch_size)
    stored = configs[max(widths)]
    return {
        "rows": [
            row for each, config in configs.items() for row in _rows(each, evaluator.quality(config), supernet.tasks)
        ],
        "curves": _curves(folder / "metrics.jsonl", configs),
        "seconds": seconds,
        "macs": training_macs(supernet, recipe.training, total),
        "parameter_bytes": CostModel(supernet)(stored).bytes,
    }


def _timed(recipe: Recipe, folder: Path, progress: Progress | None) -> float:
    """Train, or go on; seconds in all, those of earlier runs that ended or were stopped too (not of killed ones)."""
    note = folder / "seconds"
    before = float(note.read_text()) if note.exists() else 0.0
    began = time.perf_counter()
    trained = steps(folder)
    try:
        train(recipe, folder, resume=bool(trained), progress=progress)
    finally:
        if steps(folder) != trained:
            write_atomically(note, f"{before + time.perf_counter() - began}\n")
    return float(note.read_text()) if note.exists() else 0.0


def _rows(width: float, quality: dict[str, float], tasks: tuple[Task, ...]) -> list[Entry]:
    return [
        {
            "width": width,
            "task": task.name,
            "metric": task.metric,
            "value": quality[task.name],
            "higher_is_better": task.higher_is_better,
        }
        for task in tasks
        if not math.isnan(quality[task.name])
    ]


def _curves(log: Path, configs: dict[float, SubnetConfig]) -> list[Entry]:
    """What the training's own log says of these widths on validation images, step by step."""
    widths = {json.dumps(config.to_json(), sort_keys=True): width for width, config in configs.items()}
    found = []
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        for row in entry.get("rows", []):
            width = widths.get(json.dumps(row["config"], sort_keys=True))
            if width is not None:
                found.append({"width": width, "step": entry["step"], "quality": row["quality"]})
    return found
