"""A subnet below fp32: calibrated, mixed with fp32 where that is wanted, and lowered for every target of the suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from ..devices.dialect import get_dialect
from ..quantize.calibrate import calibrate
from ..quantize.lowering import Lowered, lower
from ..quantize.policy import Policy
from ..quantize.ranges import Range
from ..quantize.rules import check_graph
from ..quantize.sensitivity import blocks_of
from .engine import Outputs
from .feeds import Feed, Wide, beside, int8_feed
from .mixing import Mixer

ENGINE = "onnxruntime"
"""The target that quality is measured by, and that every suite has."""

HALVES = "cuda"
"""The dialect of onnxruntime's own form of fp16: only on GPUs it gains by it."""


def whole_forms(
    template: onnx.ModelProto, policies: Mapping[str, Policy], targets: Sequence[str]
) -> dict[str, dict[str, Lowered]]:
    """By precision and target, what its policy makes of the widest subnet; onnxruntime is always there."""

    def form(policy: Policy, target: str) -> Lowered:
        dialect = HALVES if target == ENGINE and policy.default == "fp16" else target
        return lower(template, policy, get_dialect(dialect))

    return {
        precision: {target: form(policy, target) for target in dict.fromkeys((ENGINE, *targets))}
        for precision, policy in policies.items()
    }


@dataclass(frozen=True)
class Placed:
    """A subnet for one target: its policy, its graph and arrays, and the blocks that it keeps in fp32."""

    policy: Policy
    feed: Feed
    floats: tuple[str, ...]


class Quantizer:
    """Puts the subnets of one supernet on integers, or in halves.

    `whole` is by target what all reduced layers of a policy give; onnxruntime's is that of its own dialect, or for
    halves that of its CUDA provider. The mixer of a target finds what must stay in fp32 there. A target without one has
    onnxruntime's policy, and without one for that a subnet is what the policy says, whatever it costs.
    """

    def __init__(
        self,
        template: onnx.ModelProto,
        whole: Mapping[str, Lowered],
        wide: Wide,
        calibration: Sequence[NDArray[np.uint8]],
        mixers: Mapping[str, Mixer],
    ):
        self._template, self._whole, self._wide = template, dict(whole), wide
        self._calibration, self._mixers = calibration, dict(mixers)
        self._policy = whole[ENGINE].policy
        self._lowered = {(self._policy, target): each for target, each in whole.items()}
        self._ranged = sorted({name for each in whole.values() for name in each.ranged})
        self._by_channel = sorted({name for each in whole.values() for name in each.by_channel})

    def __call__(self, fp32: Feed, outputs: Outputs, images: NDArray[np.uint8]) -> dict[str, Placed]:
        """A subnet given in fp32, with its `outputs` on some `images`, by target, onnxruntime's first.

        Without those where it loses too much however mixed, and empty where that is onnxruntime. Raises QuantizeError
        where a graph breaks a rule of its target.
        """
        ranges = calibrate(fp32.graph, fp32.arrays, self._ranged, self._calibration, self._by_channel)
        placed: dict[str, Placed] = {}
        for target in sorted(self._whole, key=lambda each: each != ENGINE):
            mixer, policy, floats = self._mixers.get(target), self._policy, blocks_in_fp32(self._policy)
            if mixer is not None:
                mixture = mixer.find(fp32, ranges, outputs, images)
                if not mixture.kept:
                    if target == ENGINE:
                        return {}
                    continue
                policy, floats = mixture.policy, blocks_in_fp32(mixture.policy)
            elif target != ENGINE:
                policy, floats = placed[ENGINE].policy, placed[ENGINE].floats
            feed = self._feed(policy, target, fp32, ranges)
            placed[target] = Placed(policy, beside(feed, placed[ENGINE].feed, target) if placed else feed, floats)
        return placed

    def _feed(self, policy: Policy, target: str, fp32: Feed, ranges: Mapping[str, Range]) -> Feed:
        if (policy, target) not in self._lowered:
            self._lowered[policy, target] = lower(self._template, policy, self._whole[target].dialect)
        lowered = self._lowered[policy, target]
        feed = int8_feed(lowered, self._wide, fp32, ranges)
        check_graph(feed.graph, lowered.dialect, policy)
        return feed


def blocks_in_fp32(policy: Policy) -> tuple[str, ...]:
    """The blocks of the layers that a policy names as fp32."""
    return tuple(blocks_of(layer for layer, precision in policy.layers if precision == "fp32"))
