"""One configuration, in each precision: proven against torch, calibrated, measured, and answered for by a witness."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..devices.errors import ExportError
from ..models.cost import CostModel
from ..models.extract import extract_subnet
from ..models.setting import Statistics
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from ..quantize.lowering import Lowered
from ..quantize.policy import MIXED
from ..runtime.format.tasks import Task
from .deployed import Deployed
from .engine import Engine, Outputs
from .feeds import Feed, Wide, fp32_feed
from .mixing import Mixer, relative_drop
from .noise import signal_to_noise
from .parity import Parity, check_parity, compare_outputs, expected_outputs
from .quality import Labelled, measure_quality
from .quantized import ENGINE, Quantizer
from .rehearsal import rehearsed
from .report import SubnetReport
from .suite import SubnetEntry
from .witness import answer_error, choose_indices, witness_arrays

PARITY_IMAGES = 4


@dataclass(frozen=True)
class Built:
    """A subnet as it is written, and what is told of it."""

    entry: SubnetEntry
    report: SubnetReport


class Builder:
    """Builds the subnets of one supernet, configuration by configuration, from what they share."""

    def __init__(
        self,
        supernet: Supernet,
        template: onnx.ModelProto,
        whole: Mapping[str, Mapping[str, Lowered]],
        calibration: Sequence[NDArray[np.uint8]],
        quality: Labelled,
        *,
        max_drop: float | None = None,
        evaluations: int = 48,
        targets: Sequence[str] = (),
        exactly: Collection[str] = (),
    ):
        self.wide = Wide(supernet, *(form for forms in whole.values() for form in forms.values()))
        self.costs = CostModel(supernet)
        self.witness_input = quality.images[:1]
        self.quality_images = len(quality)
        self.witness_indices: dict[str, NDArray[np.int64]] = {}
        self.errors: dict[str, float] = {}
        self._supernet, self._template, self._quality = supernet, template, quality
        self._tasks: tuple[Task, ...] = supernet.tasks
        self._targets, self._max_drop, self._exactly = tuple(targets), max_drop, frozenset(exactly)
        self._quantizers: dict[str, Quantizer] = {}
        for precision, forms in whole.items():
            # Halves with blocks in fp32 are what anyone expects of fp16; integers with such blocks have their own name.
            name, integers = MIXED if precision == "int8" else forms[ENGINE].policy.name, bool(forms[ENGINE].layers)
            limits = (quality, max_drop or 0.0, evaluations, name)
            mixers = {
                target: Mixer(template, form, self.wide, self._tasks, *limits, literally=target != ENGINE)
                for target, form in forms.items()
                # In halves all engines compute alike; a front's own policies were judged by onnxruntime's graphs.
                if max_drop is not None and (precision not in exactly if target == ENGINE else integers)
            }
            self._quantizers[precision] = Quantizer(template, forms, self.wide, calibration, mixers)

    def build(self, name: str, config: SubnetConfig, statistics: Statistics, precisions: Sequence[str]) -> list[Built]:
        """The subnet in each precision, as `<name>-<precision>`; int8 and fp16 go by their policy's name.

        Where that costs a task more than it may, however mixed, in fp32; a front's own policies are kept whatever they
        cost, and reported. Raises ExportError where parity fails.
        """
        start = time.perf_counter()
        feed = fp32_feed(self._template, self.wide, config, statistics)
        images = self._quality.images[:PARITY_IMAGES]
        outputs, parity = self._prove(f"subnet {name} ({_widths(config)})", feed, config, statistics, images)
        built, refused = [], False
        fp32: dict[str, float] | None = None  # measured once, where both a front's integers and floats want it
        for wanted in (each for each in precisions if each != "fp32"):
            placed = self._quantizers[wanted](feed, outputs, images)
            if not placed:
                refused = True
                continue
            policy = placed[ENGINE].policy
            noise = self._noise(f"{name}-{policy.name}", placed[ENGINE].feed, outputs, images)
            feeds = {target: each.feed for target, each in placed.items()}
            floats = {target: each.floats for target, each in placed.items()}
            found = self._finish(name, policy.name, config, feeds, {}, noise, start, floats)
            if wanted in self._exactly and self._max_drop is not None:
                fp32 = fp32 or measure_quality(self._engine(feed, name), self._tasks, self._quality)
                found = replace(found, report=replace(found.report, over=self._over(fp32, found.report.quality)))
            built.append(found)
            self._compare_answers(policy.default, built[-1].entry, outputs)
            start = time.perf_counter()
        if "fp32" in precisions or not built:
            # A graph in fp32 is the same for all of them.
            feeds = dict.fromkeys([ENGINE, *self._targets], feed)
            subnet = self._finish(name, "fp32", config, feeds, parity, {}, start, quality=fp32)
            built.append(replace(subnet, report=replace(subnet.report, refused=refused)))
        return built

    def _prove(
        self, what: str, feed: Feed, config: SubnetConfig, statistics: Statistics, images: NDArray[np.uint8]
    ) -> tuple[Outputs, Parity]:
        """Outputs of the fp32 graph on a few images, and how far they are from torch's."""
        plain = extract_subnet(self._supernet, config, statistics)
        deployed = Deployed(plain, self._supernet.architecture, self._tasks)
        outputs = Engine(feed, deployed.output_names, what)(images)
        parity = compare_outputs(self._tasks, expected_outputs(deployed, images), outputs)
        check_parity(what, parity)
        return outputs, parity

    def _noise(self, what: str, feed: Feed, expected: Outputs, images: NDArray[np.uint8]) -> dict[str, float]:
        names = [f"{task.name}/logits" for task in self._tasks]
        outputs = Engine(rehearsed(feed), names, what)(images)
        for task, name in zip(self._tasks, names, strict=True):
            if not np.isfinite(outputs[name]).all():
                raise ExportError(
                    f"the raw output of {task.name!r} is not finite in {what}: in fp16 a layer overflows; with "
                    "quantize.max_drop it stays in fp32"
                )
        return {task.name: signal_to_noise(expected[n], outputs[n]) for task, n in zip(self._tasks, names, strict=True)}

    def _engine(self, feed: Feed, name: str) -> Engine:
        """Decoded outputs only, as the runtime runs them."""
        return Engine(feed, [task.name for task in self._tasks], f"subnet {name}")

    def _over(self, fp32: Mapping[str, float], quality: Mapping[str, float]) -> dict[str, float]:
        """Of tasks that lost more than they may, how much, as a share of their quality in fp32."""
        lost = {task.name: relative_drop(task, fp32[task.name], quality[task.name]) for task in self._tasks}
        return {task: drop for task, drop in lost.items() if drop > (self._max_drop or 0.0)}

    def _compare_answers(self, kind: str, reduced: SubnetEntry, fp32: Outputs) -> None:
        """Keep the largest distance between a kind's and fp32's answers to the witness's image, the first of all."""
        answer = {task.name: fp32[task.name][:1] for task in self._tasks}
        error = answer_error(self._tasks, self.witness_indices, reduced.witness, answer)
        self.errors[kind] = max(self.errors.get(kind, 0.0), error)

    def _finish(
        self,
        name: str,
        precision: str,
        config: SubnetConfig,
        feeds: Mapping[str, Feed],
        parity: Parity,
        noise: dict[str, float],
        start: float,
        floats: Mapping[str, tuple[str, ...]] | None = None,
        quality: dict[str, float] | None = None,
    ) -> Built:
        """Measure with exactly the session that the runtime builds, decoded outputs only; halves are rehearsed, for
        what an engine that rounds them will answer. `quality` is its own where that was measured so already."""
        name, feed = f"{name}-{precision}", feeds[ENGINE]
        engine, judged = self._engine(feed, name), rehearsed(feed)
        run = engine if judged is feed else self._engine(judged, name)
        quality = quality or measure_quality(run, self._tasks, self._quality)
        answer = run(self.witness_input)
        if not self.witness_indices:
            self.witness_indices = choose_indices(self._tasks, answer)
        witness = witness_arrays(self._tasks, self.witness_indices, answer)
        describe = self._describe(config, feed, quality)
        # What targets have by the same name is the same.
        own = {key: array for each in feeds.values() for key, array in each.own.items()}
        views = {key: view for each in feeds.values() for key, view in each.views.items()}
        graphs = {target: each.data for target, each in feeds.items()}
        entry = SubnetEntry(name, precision, describe, graphs, views, own, witness)
        seconds = time.perf_counter() - start
        size, macs = describe["bytes"], describe["macs"]
        kept = floats or {}
        elsewhere = {target: kept.get(target) for target in self._targets if kept and target != ENGINE}
        mine = kept.get(ENGINE, ())
        return Built(entry, SubnetReport(name, precision, macs, size, quality, parity, noise, seconds, mine, elsewhere))

    def _describe(self, config: SubnetConfig, feed: Feed, quality: dict[str, float]) -> dict[str, Any]:
        cost = self.costs(config)
        sizes = {task.name: 0 for task in self._tasks}
        for name, array in feed.arrays.items():
            task = _decoder_of(name, sizes)
            if task is not None:
                sizes[task] += array.nbytes
        total = sum(array.nbytes for array in feed.arrays.values())
        encoder = {"macs": cost.encoder.macs, "bytes": total - sum(sizes.values())}
        decoders = {task: {"macs": cost.decoders[task].macs, "bytes": size} for task, size in sizes.items()}
        return {
            "widths": {"encoder": list(config.encoder), "decoders": dict(config.decoders)},
            "macs": cost.macs,
            "bytes": total,
            "parts": {"encoder": encoder, "decoders": decoders},
            "quality": {task.name: _quality(task, quality[task.name]) for task in self._tasks},
        }


def _quality(task: Task, value: float) -> dict[str, Any]:
    return {"metric": task.metric, "value": value, "higher_is_better": task.higher_is_better}


def _decoder_of(name: str, tasks: dict[str, int]) -> str | None:
    """The task whose decoder an initializer belongs to; None for the encoder."""
    name = name.removeprefix("int8/")
    return next((task for task in tasks if name.startswith((f"decoders.{task}.", f"decoders.{task}/"))), None)


def _widths(config: SubnetConfig) -> str:
    decoders = ", ".join(f"{task} {width:g}" for task, width in config.decoders)
    return f"encoder {'/'.join(f'{width:g}' for width in config.encoder)}, {decoders}"
