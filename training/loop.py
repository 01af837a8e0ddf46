"""The training loop: from a recipe to a checkpoint, through any number of kills.

Everything random derives from (seed, step) or (seed, epoch, index), so a run that was killed and resumed ends in the
weights of a run that was not: bit-identical on the CPU, with the same versions and number of threads. In several
processes (ranks.py) each has a share of every batch; evaluated subnets are shared out too.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..devices.errors import TrainingError
from ..models.space import SubnetConfig
from ..runtime.format.tasks import Task
from .checkpoints.checkpoint import Checkpoint
from .checkpoints.folders import drop_newer, folder_of, steps
from .checkpoints.resume import starting_point
from .checkpoints.writing import add_metrics, check_checkpoints_fit, save_checkpoint
from .data.ahead import ahead
from .data.batches import Batch, epoch_batches
from .disk import alone, check_writable, missing_folders, remove_empty
from .evaluation.evaluator import Evaluator
from .evaluation.protocol import landmark_subnets, load_batches, quality_row
from .evaluation.recalibrate import recalibration_batches
from .interrupt import AfterTheStep
from .joining import sort_joined
from .layout import inputs_of
from .optimization.faults import enough_values
from .optimization.sampling import subnets_at
from .optimization.schedule import learning_rate, optimizer_tensors, set_learning_rate
from .optimization.step import ADVICE, train_step
from .prepare import TrainingData
from .progress import MetricsLog, NoLog, Pace, Progress, Silent, StepReport
from .ranks import Ranks, joined
from .recipe.recipe import Recipe
from .run import Run, prepared

Rows = list[dict[str, Any]]
ECHO = 1.0
"""Seconds within which a second Ctrl-C is torchrun passing on the first."""


@dataclass(frozen=True)
class TrainResult:
    """A finished training.

    `quality` has a row `{"config", "quality"}` for the uniform widths from the widest to the narrowest, measured on the
    validation split; `seconds` and `images_per_second` are those of this run, after `resumed_from` steps; `tasks` say
    what each quality is.
    """

    out: Path
    checkpoint: Path
    steps: int
    quality: Rows
    seconds: float
    images_per_second: float
    resumed_from: int
    tasks: tuple[Task, ...] = ()


def train(
    recipe: Recipe,
    out: str | Path,
    resume: bool = False,
    progress: Progress | None = None,
    *,
    data: TrainingData | None = None,
    ranks: Ranks | None = None,
) -> TrainResult:
    """Train a supernet by `recipe` into the folder `out`, or go on from its newest whole checkpoint.

    `data` are data sets of your own (any `Dataset`), in place of those that the recipe names. Started by torchrun, this
    is one of several processes that train together, each on a share of every batch; `ranks` are those, where they have
    joined already (ranks.py). The leading one writes and reports, all return the same.

    Raises RecipeError, DataError, CheckpointError (the folder cannot be written, another training writes it, or it
    holds another run) or TrainingError (a loss is not finite; EndedElsewhere where another process has failed). The
    first Ctrl-C ends it after the step that runs, with a checkpoint, the second at once; both raise KeyboardInterrupt
    with a line that says how to go on.
    """
    if ranks is None:
        with joined() as found:
            return train(recipe, out, resume, progress, data=data, ranks=found)
    out, progress = Path(out), progress if progress is not None and ranks.leads else Silent()
    try:
        with ExitStack() as held:
            start = ranks.same(lambda: _start(recipe, out, resume, progress, held))
            return _trained(prepared(recipe, out, start, progress, data, ranks), start)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_go_on(out)) from None


def _start(recipe: Recipe, out: Path, resume: bool, progress: Progress, held: ExitStack) -> Checkpoint | None:
    made = missing_folders(out)
    check_writable(out)
    held.enter_context(alone(out))
    held.callback(remove_empty, made)  # what is refused before it begins leaves no empty folder behind
    return starting_point(recipe, out, resume, progress)


def _trained(run: Run, start: Checkpoint | None) -> TrainResult:
    began = time.perf_counter()
    if run.ranks.leads:
        count = sum(_kept_after(run, step) for step in range(run.first + 1, run.steps + 1))
        check_checkpoints_fit(run.out, run.supernet, run.recipe.training, count, run.auxiliary)
        if start is not None:  # only now: a training that is refused removes nothing
            drop_newer(start.folder)
    log = MetricsLog(run.out, run.first) if run.ranks.leads else NoLog()
    try:
        if run.ranks.world > 1:
            run.progress.message(f"{run.ranks.world} processes share the {run.images_per_step} images of each step")
        run.progress.started(run.first, run.steps)
        with AfterTheStep(ECHO if run.ranks.world > 1 else 0.0) as stop:
            folder = _all_steps(run, log, stop) or (start.folder if start else run.out)
            seconds = time.perf_counter() - began
            stop.at_once()  # all is kept, and --resume judges it
            judged = start.metrics.get("quality") if start and run.first == run.steps else None
            rows = judged or _finish(run, log, folder)
    finally:
        log.close()
    images = (run.steps - run.first) * run.images_per_step
    speed = images / max(seconds, 1e-9)
    return TrainResult(run.out, folder, run.steps, rows, seconds, speed, run.first, run.supernet.tasks)


def _all_steps(run: Run, log: MetricsLog | NoLog, stop: AfterTheStep) -> Path | None:
    """Train the remaining steps; the folder of the last checkpoint, None where no step remained."""
    pace, folder = Pace(run.images_per_step), None
    settings = run.recipe.training
    if run.ranks.same(lambda: run.first and not log.has_quality(run.first)):
        _validate(run, log, run.first)  # what was killed between a checkpoint and its epoch's validation
    for epoch in range(run.first // run.steps_per_epoch, settings.epochs):
        begin = epoch * run.steps_per_epoch
        skip = max(0, run.first - begin)
        size, share = settings.batch_size, (run.ranks.rank, run.ranks.world)
        batches = epoch_batches(
            run.data.train, size, settings.seed, epoch, settings.augmentation, start=skip, share=share
        )
        for step, batch in enumerate(ahead(batches), start=begin + skip):
            _one_step(run, log, pace, step, epoch, batch)
            done, stopping = step + 1, run.ranks.any(stop.asked)
            if stopping or _kept_after(run, done):
                folder = _save(run, done)
            if stopping:
                run.ranks.any(False)  # none ends before it is kept: who started them may then end the others
                raise KeyboardInterrupt
        _validate(run, log, begin + run.steps_per_epoch)
        if _validated_after(run, begin + run.steps_per_epoch) and run.ranks.any(stop.asked):
            raise KeyboardInterrupt  # what was trained is kept: see _kept_after
    return folder


def _kept_after(run: Run, step: int) -> bool:
    """Whether `step` ends with a checkpoint. Before validation too: that may outlast the patience of who ends us."""
    return step == run.steps or step % run.recipe.training.checkpoint_every == 0 or _validated_after(run, step)


def _validated_after(run: Run, step: int) -> bool:
    """Whether an epoch that is to be validated ends with `step`; the last is judged anyway."""
    every = run.recipe.training.validate_every * run.steps_per_epoch
    return bool(every) and step % every == 0 and step < run.steps


def _validate(run: Run, log: MetricsLog | NoLog, step: int) -> None:
    """Judge the ends of the space where it is time to."""
    if _validated_after(run, step):
        judged = landmark_subnets(run.supernet.space, run.recipe.training.only)
        _report_quality(run, log, step, list(dict.fromkeys((judged[0], judged[-1]))))


def _save(run: Run, step: int) -> Path:
    """Checkpoint, but never weights that the last step has ruined."""
    trained = (*run.supernet.state_dict().values(), *run.auxiliary.state_dict().values())
    if not all(bool(tensor.isfinite().all()) for tensor in trained):
        raise TrainingError(f"step {step - 1} left weights that are not finite; {ADVICE}")
    if not run.ranks.leads:
        return folder_of(run.out, step)
    optimizer = optimizer_tensors(run.optimizer, run.supernet, run.auxiliary)
    raw = None if run.average is None else run.supernet.state_dict()
    beside = run.auxiliary.state_dict()
    images = len(run.data.train)
    return save_checkpoint(run.out, run.judged, optimizer, run.recipe, step, images=images, raw=raw, auxiliary=beside)


def _one_step(run: Run, log: MetricsLog | NoLog, pace: Pace, step: int, epoch: int, batch: Batch) -> None:
    settings = run.recipe.training
    rate = learning_rate(step, run.steps, settings)
    set_learning_rate(run.optimizer, rate)
    sort_joined(run, step)
    subnets = subnets_at(run.supernet.space, settings, step, run.steps)
    done = step / run.steps
    inputs = inputs_of(run.supernet, batch)
    beside, whole = run.auxiliary, run.ranks.batch
    with enough_values(len(batch)):
        losses = train_step(
            run.supernet, run.optimizer, inputs, subnets, settings, step, done=done, auxiliary=beside, batch=whole
        )
    if run.average is not None:
        run.average.update(run.supernet, step)
    speed, left = pace.tick(run.steps - step - 1)
    at = (step + 1, run.steps, epoch)
    taught, norm = losses.soft_labels, losses.gradient_norm
    report = StepReport(*at, losses.tasks, losses.total, losses.distillation, rate, speed, left, taught, norm)
    log.step(report)
    run.progress.step(report)


def _report_quality(run: Run, log: MetricsLog | NoLog, step: int, subnets: list[SubnetConfig]) -> Rows:
    rank, world = run.ranks.rank, run.ranks.world
    found = run.ranks.gathered(_quality(run, subnets[rank::world]))
    rows = [found[number % world][number // world] for number in range(len(subnets))]
    log.quality(step, rows)
    run.progress.quality(step, rows)
    return rows


def _quality(run: Run, subnets: list[SubnetConfig]) -> Rows:
    if not subnets:
        return []
    settings = run.recipe.training
    evaluator = Evaluator(
        run.judged,
        recalibration_batches(run.data.train, settings),
        load_batches(run.data.validation, settings.validation_images),
    )
    return [quality_row(config, evaluator.quality(config)) for config in subnets]


def _finish(run: Run, log: MetricsLog | NoLog, folder: Path) -> Rows:
    """Judge the uniform widths, and put their quality into the last checkpoint."""
    rows = _report_quality(run, log, run.steps, landmark_subnets(run.supernet.space, run.recipe.training.only))
    if run.ranks.leads:
        add_metrics(folder, {"quality": rows})
    return rows


def _how_to_go_on(out: Path) -> str:
    newest = steps(out)
    kept = f"{newest[0].name} is kept; go on with --resume" if newest else "no checkpoint was written yet"
    return f"stopped: {kept} (--out {out})"
