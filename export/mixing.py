"""Int8 or fp16 that loses no task more than it may: where all layers do, some blocks stay in fp32, found by running."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
from numpy.typing import NDArray

from ..quantize.lowering import Lowered, lower
from ..quantize.policy import MIXED, Policy
from ..quantize.ranges import Range
from ..quantize.sensitivity import Loss, Mixture, Noise, mix
from ..runtime.format.tasks import Task
from .engine import Engine, Outputs
from .feeds import Feed, Wide, int8_feed
from .noise import noise_power
from .quality import Labelled, measure_quality
from .rehearsal import rehearsed


class Mixer:
    """Finds a policy for each subnet of one supernet; `whole` is the graph with all layers reduced that may be.

    Quality is that of onnxruntime's own graphs as it runs them, or `literally` of another engine's graphs.

    `max_drop` is the share of a task's quality that this may cost, `evaluations` bounds the policies that are measured
    for a subnet, each on all of the quality images.
    """

    def __init__(
        self,
        template: onnx.ModelProto,
        whole: Lowered,
        wide: Wide,
        tasks: Sequence[Task],
        quality: Labelled,
        max_drop: float,
        evaluations: int,
        name: str = MIXED,
        *,
        literally: bool = False,
    ):
        self._name, self._literally = name, literally
        self._template, self._whole, self._wide = template, whole, wide
        self._tasks, self._quality = tuple(tasks), quality
        self._max_drop, self._evaluations = max_drop, evaluations
        self._noise: Noise | None = None

    def find(self, feed: Feed, ranges: Mapping[str, Range], expected: Outputs, images: NDArray[np.uint8]) -> Mixture:
        """The subnet in the best mixture, given in fp32; `expected` are its raw outputs on `images`."""
        base = self._quality_of(feed, "fp32")

        def measure(policy: Policy) -> Loss:
            return self._loss(self._lowered(policy, feed, ranges), policy.name, base, expected, images)

        mixture = self._mix(measure, self._evaluations, self._noise)
        if not mixture.kept and self._noise is not None:
            # What another subnet taught did not help: learn of this one, with what is left.
            before = mixture.evaluations
            mixture = self._mix(measure, max(1, self._evaluations - before), None)
            mixture = replace(mixture, evaluations=mixture.evaluations + before)
        self._noise = self._noise or mixture.noise
        return mixture

    def _mix(self, measure: Callable[[Policy], Loss], evaluations: int, noise: Noise | None) -> Mixture:
        layers = self._whole.reduced
        most = dict.fromkeys((task.name for task in self._tasks), self._max_drop)
        joined = [(pair.made_by, pair.read_by) for pair in self._whole.pairs]
        policy = self._whole.policy
        return mix(measure, policy, layers, most, evaluations, noise=noise, name=self._name, joined=joined)

    def _lowered(self, policy: Policy, feed: Feed, ranges: Mapping[str, Range]) -> Feed:
        same = policy == self._whole.policy
        lowered = self._whole if same else lower(self._template, policy, self._whole.dialect)
        return int8_feed(lowered, self._wide, feed, ranges)

    def _engine(self, feed: Feed, outputs: Sequence[str], what: str) -> Engine:
        # Of halves a rehearsal says what an engine that rounds them answers.
        return Engine(rehearsed(feed), outputs, what, literally=self._literally)

    def _quality_of(self, feed: Feed, what: str) -> dict[str, float]:
        """Of each task; NaN where an answer is not finite, as where fp16 overflows."""
        engine = self._engine(feed, [task.name for task in self._tasks], what)
        return measure_quality(engine, self._tasks, self._quality, finite=False)

    def _loss(
        self, feed: Feed, what: str, base: Mapping[str, float], expected: Outputs, images: NDArray[np.uint8]
    ) -> Loss:
        found = self._quality_of(feed, what)
        names = {task.name: f"{task.name}/logits" for task in self._tasks}
        outputs = self._engine(feed, list(names.values()), what)(images)
        # Classes and probabilities are finite whatever the scores are.
        lost = {task for task, name in names.items() if not np.isfinite(outputs[name]).all()}
        return Loss(
            {
                task.name: math.inf if task.name in lost else relative_drop(task, base[task.name], found[task.name])
                for task in self._tasks
            },
            {task: noise_power(expected[name], outputs[name]) for task, name in names.items()},
        )


def relative_drop(task: Task, base: float, found: float) -> float:
    """How much worse, as a share of what it was; negative where it is better, infinite where it is nothing any more."""
    if math.isnan(found):
        return math.inf
    worse = base - found if task.higher_is_better else found - base
    return worse / max(abs(base), 1e-12)
