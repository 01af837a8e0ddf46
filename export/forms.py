"""A supernet's subnets in any precision, as graphs and arrays: what a search times and judges before a suite is."""

from __future__ import annotations

from collections.abc import Mapping

from ..devices.dialect import Dialect
from ..models.setting import Statistics
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from ..quantize.assignment import FP32, policy_of
from ..quantize.lowering import Lowered, lower
from ..quantize.policy import Policy
from ..quantize.ranges import Range
from .feeds import Feed, Wide, fp32_feed, int8_feed
from .template import widest_template


class Forms:
    """Feeds of one supernet's subnets, by the precision that a configuration names: fp32, or one of the `policies`.

    Or one that assigns these to the network's parts (quantize/assignment.py).
    """

    def __init__(self, supernet: Supernet, policies: Mapping[str, Policy], dialect: Dialect):
        self.supernet, self.policies, self.dialect = supernet, dict(policies), dialect
        self.template = widest_template(supernet)
        self._lowered = {name: lower(self.template, policy, dialect) for name, policy in policies.items()}
        # What a part has in some precision it has of one of the policies: so they know of all layers and ranges.
        self.wide = Wide(supernet, *self._lowered.values())
        self.ranged = tuple(sorted({name for each in self._lowered.values() for name in each.ranged}))
        self.by_channel = tuple(sorted({name for each in self._lowered.values() for name in each.by_channel}))

    def lowered(self, precision: str) -> Lowered:
        """The widest graph in a precision that is not fp32."""
        if precision not in self._lowered:
            policy = policy_of(precision, self.supernet.space.tasks, self.policies)
            self._lowered[precision] = lower(self.template, policy, self.dialect)
        return self._lowered[precision]

    def fp32(self, config: SubnetConfig, statistics: Statistics) -> Feed:
        """A subnet in fp32, whatever precision it names."""
        return fp32_feed(self.template, self.wide, config, statistics)

    def of(self, config: SubnetConfig, fp32: Feed, ranges: Mapping[str, Range]) -> Feed:
        """The subnet in its own precision, given in fp32; `ranges` of all `ranged` tensors."""
        if config.precision == FP32:
            return fp32
        return int8_feed(self.lowered(config.precision), self.wide, fp32, ranges)

    def unmeasured(self) -> dict[str, Range]:
        """Ranges that nobody observed, for a subnet that is only to be timed.

        From zero on, as after a ReLU: with another zero point onnxruntime would not see that rounding does the ReLU's
        work, and would run those convolutions in fp32.
        """
        return dict.fromkeys(self.ranged, Range(0.0, 1.0))
