"""The training loop: from a recipe to a checkpoint, through any number of kills.

Everything random derives from (seed, step) or (seed, epoch, index), so a run that was killed and resumed ends in the
weights of a run that was not: bit-identical on the CPU, with the same versions and number of threads.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..devices.errors import TrainingError
from ..models.network import normalize
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from .auxiliary import Auxiliary
from .average import Average
from .checkpoint import Checkpoint, add_metrics, check_checkpoints_fit, save_checkpoint, steps
from .data.batches import Batch, batches_per_epoch, epoch_batches
from .disk import check_writable
from .evaluate import landmark_subnets, load_batches, quality_row
from .evaluator import Evaluator
from .interrupt import AfterTheStep
from .prepare import TrainingData, choose_device, fresh_supernet, open_training_data
from .progress import MetricsLog, Pace, Progress, Silent, StepReport
from .recalibrate import recalibration_batches
from .recipe import Recipe
from .resume import restore, starting_point
from .sampling import subnets_at
from .schedule import learning_rate, make_optimizer, optimizer_tensors, set_learning_rate
from .separate import own_fans
from .step import ADVICE, Inputs, train_step

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class TrainResult:
    """A finished training.

    `quality` has a row `{"config", "quality"}` for the uniform widths from the widest to the narrowest, measured on the
    validation split; `seconds` and `images_per_second` are those of this run, after `resumed_from` steps.
    """

    out: Path
    checkpoint: Path
    steps: int
    quality: Rows
    seconds: float
    images_per_second: float
    resumed_from: int


@dataclass(frozen=True)
class Run:
    """All that a running training holds."""

    recipe: Recipe
    out: Path
    data: TrainingData
    device: torch.device
    supernet: Supernet
    auxiliary: Auxiliary
    average: Average | None
    optimizer: torch.optim.Optimizer
    first: int
    progress: Progress

    @property
    def judged(self) -> Supernet:
        """What is evaluated and kept: the averaged weights, where there is an average."""
        return self.supernet if self.average is None else self.average.supernet

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return batches_per_epoch(self.data.train, self.recipe.training.batch_size)

    @property
    def images_per_step(self) -> int:
        """Images of a batch: all there are where that is less."""
        return min(self.recipe.training.batch_size, len(self.data.train))

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.recipe.training.epochs * self.steps_per_epoch


def train(recipe: Recipe, out: str | Path, resume: bool = False, progress: Progress | None = None) -> TrainResult:
    """Train a supernet by `recipe` into the folder `out`, or go on from its newest whole checkpoint.

    Raises RecipeError, DataError, CheckpointError (the folder cannot be written, or holds another run) or TrainingError
    (a loss is not finite). The first Ctrl-C ends it after the step that runs, with a checkpoint, the second at once;
    both raise KeyboardInterrupt with a line that says how to go on.
    """
    out, progress = Path(out), progress or Silent()
    check_writable(out)
    try:
        start = starting_point(recipe, out, resume, progress)
        return _trained(_prepare(recipe, out, start, progress), start)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(out)) from None


def _trained(run: Run, start: Checkpoint | None) -> TrainResult:
    began = time.perf_counter()
    check_checkpoints_fit(run.out, run.supernet, run.recipe.training, run.steps - run.first, run.auxiliary)
    log = MetricsLog(run.out, run.first)
    try:
        run.progress.started(run.first, run.steps)
        with AfterTheStep() as stop:
            folder = _all_steps(run, log, stop) or (start.folder if start else run.out)
        seconds = time.perf_counter() - began
        judged = start.metrics.get("quality") if start and run.first == run.steps else None
        rows = judged or _finish(run, log, folder)
    finally:
        log.close()
    images = (run.steps - run.first) * run.images_per_step
    return TrainResult(run.out, folder, run.steps, rows, seconds, images / max(seconds, 1e-9), run.first)


def _prepare(recipe: Recipe, out: Path, start: Checkpoint | None, progress: Progress) -> Run:
    device = choose_device(recipe.training.device)
    data = open_training_data(recipe, progress.preparing)
    if start is None:
        supernet, said = fresh_supernet(recipe, data)
        if said:
            progress.message(said)
        if recipe.training.only is not None:
            alone = supernet.space.uniform(recipe.training.only)
            own_fans(supernet, alone, encoder=recipe.model.pretrained is None)
    else:
        supernet = start.supernet
    supernet.to(device)
    if device.type == "cuda":
        supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    auxiliary = Auxiliary(supernet, recipe.training).to(device)
    average = Average(supernet, recipe.training.ema) if recipe.training.ema > 0 else None
    optimizer = make_optimizer(supernet, recipe.training, auxiliary)
    if start is not None:
        restore(start.folder, supernet, auxiliary, optimizer)
    first = start.step if start else 0
    return Run(recipe, out, data, device, supernet, auxiliary, average, optimizer, first, progress)


def _all_steps(run: Run, log: MetricsLog, stop: AfterTheStep) -> Path | None:
    """Train the remaining steps; the folder of the last checkpoint, None where no step remained."""
    pace, folder = Pace(run.images_per_step), None
    settings = run.recipe.training
    for epoch in range(run.first // run.steps_per_epoch, settings.epochs):
        begin = epoch * run.steps_per_epoch
        skip = max(0, run.first - begin)
        batches = epoch_batches(
            run.data.train, settings.batch_size, settings.seed, epoch, settings.augmentation, start=skip
        )
        for step, batch in enumerate(ahead(batches), start=begin + skip):
            _one_step(run, log, pace, step, epoch, batch)
            done, stopping = step + 1, stop.asked
            if stopping or done == run.steps or done % settings.checkpoint_every == 0:
                folder = _save(run, done)
            if stopping:
                raise KeyboardInterrupt
        if settings.validate_every and (epoch + 1) % settings.validate_every == 0 and epoch + 1 < settings.epochs:
            judged = landmark_subnets(run.supernet.space, settings.only)
            ends = list(dict.fromkeys((judged[0], judged[-1])))
            _report_quality(run, log, begin + run.steps_per_epoch, ends)
    return folder


def _save(run: Run, step: int) -> Path:
    """Checkpoint, but never weights that the last step has ruined."""
    trained = (*run.supernet.state_dict().values(), *run.auxiliary.state_dict().values())
    if not all(bool(tensor.isfinite().all()) for tensor in trained):
        raise TrainingError(f"step {step - 1} left weights that are not finite; {ADVICE}")
    optimizer = optimizer_tensors(run.optimizer, run.supernet, run.auxiliary)
    raw = None if run.average is None else run.supernet.state_dict()
    beside = run.auxiliary.state_dict()
    return save_checkpoint(run.out, run.judged, optimizer, run.recipe, step, raw=raw, auxiliary=beside)


def _one_step(run: Run, log: MetricsLog, pace: Pace, step: int, epoch: int, batch: Batch) -> None:
    settings = run.recipe.training
    rate = learning_rate(step, run.steps, settings)
    set_learning_rate(run.optimizer, rate)
    subnets = subnets_at(run.supernet.space, settings, step, run.steps)
    done = step / run.steps
    inputs = _moved(batch, run)
    losses = train_step(
        run.supernet, run.optimizer, inputs, subnets, settings, step, done=done, auxiliary=run.auxiliary
    )
    if run.average is not None:
        run.average.update(run.supernet, step)
    speed, left = pace.tick(run.steps - step - 1)
    at = (step + 1, run.steps, epoch)
    report = StepReport(*at, losses.tasks, losses.total, losses.distillation, rate, speed, left, losses.soft_labels)
    log.step(report)
    run.progress.step(report)


def _moved(batch: Batch, run: Run) -> Inputs:
    images = normalize(batch.images.to(run.device, non_blocking=True), run.supernet.architecture)
    if run.device.type == "cuda":
        images = images.contiguous(memory_format=torch.channels_last)
    return Inputs(images, {name: target.to(run.device) for name, target in batch.targets.items()})


def ahead(batches: Iterable[Batch], depth: int = 2) -> Iterator[Batch]:
    """The same batches, decoded by one other thread up to `depth` ahead."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        pending = deque(pool.submit(next, iterator, None) for _ in range(depth))
        while (batch := pending.popleft().result()) is not None:
            pending.append(pool.submit(next, iterator, None))
            yield batch


def _report_quality(run: Run, log: MetricsLog, step: int, subnets: list[SubnetConfig]) -> Rows:
    settings = run.recipe.training
    evaluator = Evaluator(
        run.judged,
        recalibration_batches(run.data.train, settings),
        load_batches(run.data.validation, settings.validation_images),
    )
    rows = [quality_row(config, evaluator.quality(config)) for config in subnets]
    log.quality(step, rows)
    run.progress.quality(step, rows)
    return rows


def _finish(run: Run, log: MetricsLog, folder: Path) -> Rows:
    """Judge the uniform widths, and put their quality into the last checkpoint."""
    rows = _report_quality(run, log, run.steps, landmark_subnets(run.supernet.space, run.recipe.training.only))
    add_metrics(folder, {"quality": rows})
    return rows


def _how_to_go_on(out: Path) -> str:
    newest = steps(out)
    kept = f"{newest[0].name} is kept; go on with --resume" if newest else "no checkpoint was written yet"
    return f"stopped: {kept} (--out {out})"
