"""From a supernet and a front to one suite: recalibrate, export, prove, quantize, measure, write, verify."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from ..devices.errors import ExportError
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from ..quantize.policy import Policy
from ..runtime.opening import open_suite
from ..runtime.verify import verify_suite
from ..training.checkpoints.checkpoint import Checkpoint
from ..training.data.batches import Batch
from ..training.evaluation.evaluator import Evaluator
from ..training.evaluation.protocol import load_batches
from ..training.evaluation.recalibrate import recalibration_batches
from ..training.recipe.training import TrainingRecipe
from .build import Builder, Built
from .quality import read_calibration, read_labelled
from .quantized import whole_forms
from .report import ExportReport
from .settings import PRECISIONS, TARGETS, ExportData, ExportSettings, Progress
from .suite import SuiteContent, write_suite
from .template import widest_template
from .wanted import Asked, asked_of, ordered
from .witness import tolerances

MAX_BATCH = 256


def export_suite(
    source: Checkpoint | Supernet,
    front: Sequence[SubnetConfig],
    out: str | os.PathLike[str],
    *,
    data: ExportData,
    calibration_images: int = 32,
    quality_images: int = 64,
    recalibration_images: int = 128,
    precisions: Sequence[str] = PRECISIONS,
    policy: Policy | None = None,
    policies: Mapping[str, Policy] | None = None,
    max_drop: float | None = None,
    evaluations: int = 48,
    targets: Sequence[str] = TARGETS,
    progress: Progress | None = None,
    name: str | None = None,
) -> ExportReport:
    """Export the subnets of a front as one suite, proven and measured, then verified as the runtime reads it.

    Batch norm is recalibrated as the checkpoint's recipe says; of a bare supernet on `recalibration_images`.
    Subnets are numbered from the cheapest (`s01-int8`, `s01-fp32`; a `policy` puts its name in int8's place). With
    `max_drop`, the share of a task's quality that int8 or fp16 may cost, blocks that cost more stay in fp32 (int8 is
    `s01-mixed` then), and it is left out where none of at most `evaluations` policies suffices. A front that names
    precisions is exported in those: for onnxruntime exactly by its own `policies`, by name; without them int8 is mixed
    as `max_drop` says. Each subnet has a graph for every one of the `targets`; below fp32 those for other engines than
    onnxruntime are mixed by themselves, and left out where `max_drop` cannot be held. Nothing is written, and an
    existing file stays, where any step fails. Raises ExportError (parity, engine, place), QuantizeError (calibration,
    policy), DataError (images), ConfigError (a configuration of another space).
    """
    settings = ExportSettings(
        calibration_images,
        recalibration_images,
        quality_images,
        tuple(precisions),
        policy or Policy(),
        max_drop=max_drop,
        evaluations=evaluations,
        targets=tuple(targets),
    )
    supernet = source if isinstance(source, Supernet) else source.supernet
    target = Path(out)
    if not target.parent.is_dir():
        raise ExportError(f"{target.parent} is not a folder: create it, or choose another place")
    recipe = None if isinstance(source, Supernet) else source.recipe.training
    asked, known = asked_of(front, policies or {})
    export = _Export(supernet, data, settings, progress, recipe, known)
    return export.run(ordered(supernet, front), asked, target, name or target.stem, _provenance(source))


class _Export:
    """One run of `export_suite`: its inputs, and a clock."""

    def __init__(
        self,
        supernet: Supernet,
        data: ExportData,
        settings: ExportSettings,
        progress: Progress | None,
        recipe: TrainingRecipe | None,
        policies: Mapping[str, Policy],
    ):
        self.supernet, self.data, self.settings, self.recipe = supernet, data, settings, recipe
        self.policies = policies
        self.progress = progress or (lambda stage, done, total: None)
        self.seconds: dict[str, float] = {}

    def run(
        self, configs: list[SubnetConfig], asked: Asked, out: Path, name: str, provenance: dict[str, str]
    ) -> ExportReport:
        """The whole export, with the supernet in evaluation mode meanwhile."""
        was_training = self.supernet.training
        self.supernet.eval()
        try:
            with self._clock("total"):
                builder = self._prepare(dict.fromkeys(name for names in asked.values() for name in names))
                built = self._build(builder, configs, asked)
                content = self._content(builder, built, name, provenance)
                with self._clock("write and verify"):
                    size = write_suite(content, out, self._verify)
        finally:
            self.supernet.train(was_training)
        return ExportReport(str(out), size, tuple(subnet.report for subnet in built), dict(self.seconds))

    def _prepare(self, named: Iterable[str]) -> Builder:
        settings, size = self.settings, self._size
        with self._clock("read images"):
            quality = read_labelled(self.data.quality, settings.quality_images, size, self.supernet.tasks)
            self.evaluator = Evaluator(self.supernet, self._recalibration())
            images = read_calibration(self.data.train, settings.calibration_images, size, settings.batch)
        self.progress("images", 1, 1)
        with self._clock("template"):
            template = widest_template(self.supernet)
            whole = whole_forms(template, self._wanted([*named] or settings.precisions), settings.targets)
        self.progress("template", 1, 1)
        return Builder(
            self.supernet,
            template,
            whole,
            images,
            quality,
            max_drop=settings.max_drop,
            evaluations=settings.evaluations,
            targets=settings.targets,
            exactly=tuple(self.policies),
        )

    def _recalibration(self) -> tuple[Batch, ...]:
        """Images as training saw them where its recipe is known, else as they are."""
        if self.recipe is not None:
            return recalibration_batches(self.data.train, self.recipe)
        return load_batches(self.data.train, self.settings.recalibration_images)

    def _wanted(self, precisions: Iterable[str]) -> dict[str, Policy]:
        """The policies of the precisions below fp32: those of the front itself, else the usual ones."""
        usual = {"int8": self.settings.policy, "fp16": Policy.halves()}
        return {name: self.policies.get(name) or usual[name] for name in precisions if name != "fp32"}

    def _build(self, builder: Builder, configs: list[SubnetConfig], asked: Asked) -> list[Built]:
        built: list[Built] = []
        digits = max(2, len(str(len(configs))))
        for index, config in enumerate(configs, 1):
            with self._clock("recalibrate"):
                statistics = self.evaluator.statistics(config)
            with self._clock("subnets"):
                precisions = asked.get(config, self.settings.precisions)
                built += builder.build(f"s{index:0{digits}d}", config, statistics, precisions)
            self.progress("subnets", index, len(configs))
        return built

    def _content(self, builder: Builder, built: list[Built], name: str, provenance: dict[str, str]) -> SuiteContent:
        return SuiteContent(
            name,
            self._size,
            (1, MAX_BATCH),
            self.supernet.tasks,
            tuple(subnet.entry for subnet in built),
            builder.wide.tensors,
            builder.witness_input,
            builder.witness_indices,
            tolerances(dict.fromkeys((*self.settings.precisions, "fp32", *builder.errors)), builder.errors),
            {
                "name": self.data.quality.name,
                "split": self.data.split,
                "images": builder.quality_images,
                "engine": f"onnxruntime {_version('onnxruntime')}",
            },
            provenance,
        )

    def _verify(self, path: Path) -> None:
        with open_suite(path) as suite:
            for done, result in enumerate(verify_suite(suite)):
                if not result.ok:
                    raise ExportError(f"the suite does not verify as written, so it was not kept: {result.detail}")
                self.progress("verify", done, len(suite.subnets))

    @property
    def _size(self) -> tuple[int, int]:
        return self.supernet.architecture.height, self.supernet.architecture.width

    @contextmanager
    def _clock(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def _provenance(source: Checkpoint | Supernet) -> dict[str, str]:
    """What made the suite; no date and no machine, so that equal inputs give equal bytes."""
    found = {package: _version(package) for package in ("pliant", "torch", "onnx", "onnxruntime")}
    if isinstance(source, Checkpoint):
        found.update(recipe=source.recipe.data.name, step=str(source.step))
    return found


def _version(package: str) -> str:
    from importlib.metadata import version

    return torch.__version__ if package == "torch" else version(package)
