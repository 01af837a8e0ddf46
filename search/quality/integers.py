"""Quality of subnets in int8, measured by the engine that would run them, and the policies worth searching among.

As in fp32, a task's output depends on the encoder and its own decoder only, ranges included: one graph with a width for
all decoders measures that width for every task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...devices.dialect import get_dialect
from ...devices.fingerprint import read_fingerprint
from ...export.build import PARITY_IMAGES
from ...export.engine import Engine
from ...export.feeds import Feed
from ...export.forms import Forms
from ...export.mixing import Mixer
from ...export.quality import Labelled, measure_quality
from ...models.space import SubnetConfig
from ...quantize.assignment import FP32, even_assignments, policy_of
from ...quantize.calibrate import calibrate
from ...quantize.lowering import Lowered
from ...quantize.policy import MIXED, Policy
from ...quantize.ranges import Range
from ...runtime.engine import import_onnxruntime
from ...training.data.batches import Batch
from ...training.evaluation.evaluator import Demand, Encoder, Entry, Evaluator, Table, Wanted
from ..log import EvaluationLog
from ..wording import Note, unheard

WHOLE = Policy().name
FINDING = 1
"""How `find_policies` works: another number, and what an earlier one found is sought anew."""


@dataclass(frozen=True)
class Images:
    """What a search in int8 looks at: uint8 batches (N, H, W, 3) for ranges, labelled images for quality."""

    calibration: tuple[NDArray[np.uint8], ...]
    quality: Labelled

    @classmethod
    def of(cls, calibration: Iterable[NDArray[np.uint8]], quality: Iterable[Batch]) -> Images:
        """Images for ranges, in batches as an export has them, and labelled ones."""
        quality = list(quality)
        targets = tuple(
            {task: np.asarray(labels[index]) for task, labels in batch.targets.items()}
            for batch in quality
            for index in range(len(batch.images))
        )
        shown = Labelled(np.concatenate([np.asarray(batch.images) for batch in quality]), targets)
        return cls(tuple(calibration), shown)

    @property
    def digest(self) -> str:
        """Of those that ranges are of."""
        found = hashlib.sha256()
        for batch in self.calibration:
            found.update(f"{batch.shape}".encode() + batch.tobytes())
        return found.hexdigest()[:16]


class Calibrated:
    """Subnets in fp32 with the ranges of their tensors; `fp32` knows the batch-norm statistics.

    Ranges are the same for all precisions, which are asked for one after the other: the last few are remembered.
    """

    def __init__(self, forms: Forms, fp32: Evaluator, images: Images):
        self.forms, self.images, self._fp32 = forms, images, fp32
        self._last: dict[SubnetConfig, tuple[Feed, dict[str, Range]]] = {}

    def __call__(self, config: SubnetConfig) -> tuple[Feed, dict[str, Range]]:
        """Of a subnet, whatever precision it names."""
        config = replace(config, precision=FP32)
        found = self._last.pop(config, None)
        if found is None:
            feed = self.forms.fp32(config, self._fp32.statistics(config))
            found = feed, _ranges(self.forms, feed, self.images)
        self._last[config] = found
        if len(self._last) > len(self.forms.supernet.space.decoder_widths):
            del self._last[next(iter(self._last))]
        return found


class IntegerEvaluator:
    """Tables of encoders, in one precision that is not fp32.

    `known` tables are not measured again; `keep` is given each new one.
    """

    def __init__(
        self,
        calibrated: Calibrated,
        precision: str,
        *,
        known: Iterable[Entry] = (),
        keep: Callable[[Encoder, Table], None] | None = None,
    ):
        self._calibrated, self._precision = calibrated, precision
        self._forms, self._keep = calibrated.forms, keep
        self._tasks = self._forms.supernet.tasks
        self._known: dict[Encoder, Table] = {}
        self.encoders = 0
        for encoder, table in known:
            self._learn(encoder, table)

    @property
    def lowered(self) -> Lowered:
        """The widest graph in this precision."""
        return self._forms.lowered(self._precision)

    def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
        """A table for each, in this order, one measured after the other as they are taken."""
        return (self.table(encoder, demand) for encoder, demand in wanted)

    def table(self, encoder: Encoder, demand: Demand) -> Table:
        """Quality of the demanded decoders on this encoder; what is not known yet is measured."""
        known = self._known.setdefault(encoder, {})
        missing = {task: [w for w in widths if w not in known.get(task, {})] for task, widths in demand.items()}
        if any(missing.values()):
            found = self._measured(encoder, missing)
            if self._keep is not None:
                self._keep(encoder, found)
            self._learn(encoder, found)
            self.encoders += 1
        return {task: {width: self._known[encoder][task][width] for width in widths} for task, widths in demand.items()}

    def _measured(self, encoder: Encoder, missing: dict[str, list[float]]) -> Table:
        table: Table = {task: {} for task, widths in missing.items() if widths}
        for index in range(max(map(len, missing.values()))):
            config = self._config(encoder, missing, index)
            quality = _quality(self._forms, self._forms.of(config, *self._calibrated(config)), self._calibrated.images)
            for task, widths in missing.items():
                if index < len(widths):
                    table[task][widths[index]] = quality[task]
        return table

    def _config(self, encoder: Encoder, missing: dict[str, list[float]], index: int) -> SubnetConfig:
        """One graph: for each task the next width that is missing, any where none is."""
        narrowest = self._forms.supernet.space.decoder_widths[0]
        chosen = {
            task.name: (missing.get(task.name) or [narrowest])[min(index, len(missing.get(task.name) or [0]) - 1)]
            for task in self._tasks
        }
        return SubnetConfig(encoder, tuple(chosen.items()), self._precision)

    def _learn(self, encoder: Encoder, table: Table) -> None:
        mine = self._known.setdefault(encoder, {})
        for task, row in table.items():
            mine.setdefault(task, {}).update(row)


def integer_sources(
    fp32: Evaluator,
    images: Images,
    max_drop: float,
    evaluations: int,
    log: EvaluationLog | None = None,
    note: Note = unheard,
) -> tuple[dict[str, Policy], dict[str, IntegerEvaluator]]:
    """The policies that are worth searching among, by name; and sources of tables, for each pair of them and fp32 of an
    encoder and its decoders, by the name of that (quantize/assignment.py). The log's tables are known.

    `max_drop` and `evaluations` are those of `find_policies`.
    """
    dialect = get_dialect("onnxruntime")
    forms = Forms(fp32.supernet, {WHOLE: Policy()}, dialect)
    # Minutes of work: what a search found that was stopped is not sought again.
    how = _digest(
        {
            "version": FINDING,
            "whole": Policy().to_json(),
            "max_drop": max_drop,
            "evaluations": evaluations,
            "images": [images.digest, len(images.quality.images)],
            "machine": read_fingerprint().digest,
        }
    )
    if log is not None and how in log.policies:
        policies = {policy.name: policy for policy in log.policies[how]}
    else:
        policies = find_policies(forms, fp32, images, max_drop, evaluations, note)
        if log is not None:
            log.append_policies(how, tuple(policies.values()))
    calibrated = Calibrated(Forms(fp32.supernet, policies, dialect), fp32, images)
    sources, tasks, engine = {}, fp32.supernet.space.tasks, import_onnxruntime().__version__
    for name in (each.precision for each in even_assignments(len(tasks), (FP32, *policies))):
        if name == FP32:
            continue
        policy = policy_of(name, tasks, policies)
        # A table holds for this policy only, which may be another one by the same name after a change of images, for
        # these ranges, and for this version of the engine: another one rounds elsewhere.
        judged = {"policy": policy.to_json(), "calibration": images.digest, "onnxruntime": engine}
        key = f"{name}-{_digest(judged)}"
        known = () if log is None else log.by_precision.get(key, ())
        keep = None if log is None else partial(_append, log, key)
        sources[name] = IntegerEvaluator(calibrated, name, known=known, keep=keep)
    return policies, sources


def _digest(entry: Any) -> str:
    return hashlib.sha256(json.dumps(entry).encode()).hexdigest()[:8]


def _append(log: EvaluationLog, precision: str, encoder: Encoder, table: Table) -> None:
    log.append(encoder, table, precision)


def find_policies(
    forms: Forms, fp32: Evaluator, images: Images, max_drop: float, evaluations: int, note: Note = unheard
) -> dict[str, Policy]:
    """All in int8, and where that costs a task of a uniform subnet more than `max_drop` of it, with few blocks in fp32.

    `forms` knows the whole policy. The blocks are those that any of the uniform subnets needs in fp32.
    """
    whole, space = forms.lowered(WHOLE), forms.supernet.space
    mixer = Mixer(forms.template, whole, forms.wide, forms.supernet.tasks, images.quality, max_drop, evaluations)
    names = [f"{task.name}/logits" for task in forms.supernet.tasks]
    shown = images.quality.images[:PARITY_IMAGES]
    layers: dict[tuple[str, str], None] = {}
    for width in space.encoder_widths:
        config = space.even(width)
        feed = forms.fp32(config, fp32.statistics(config))
        expected = Engine(feed, names, "a subnet in fp32")(shown)
        note(f"what int8 costs: width {width:g}, of {', '.join(f'{each:g}' for each in space.encoder_widths)}")
        mixture = mixer.find(feed, _ranges(forms, feed, images), expected, shown)
        layers.update(dict.fromkeys(mixture.policy.layers))
    return {WHOLE: whole.policy, **({MIXED: Policy(MIXED, tuple(layers))} if layers else {})}


def _ranges(forms: Forms, fp32: Feed, images: Images) -> dict[str, Range]:
    return calibrate(fp32.graph, fp32.arrays, forms.ranged, images.calibration, forms.by_channel)


def _quality(forms: Forms, feed: Feed, images: Images) -> dict[str, float]:
    tasks = forms.supernet.tasks
    engine = Engine(feed, [task.name for task in tasks], "a subnet that is searched")
    return measure_quality(engine, tasks, images.quality)
