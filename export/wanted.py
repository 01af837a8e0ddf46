"""What of a front is exported: which widths, in what order, and in which precisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..devices.errors import ConfigError
from ..models.cost import CostModel
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from ..quantize.policy import MIXED, Policy

Asked = Mapping[SubnetConfig, tuple[str, ...]]
"""By widths, the precisions that a front asks for."""


def ordered(supernet: Supernet, front: Sequence[SubnetConfig]) -> list[SubnetConfig]:
    """Each width configuration once, from the cheapest; ConfigError where one is of another space, or there is none."""
    chosen = {SubnetConfig(config.encoder, config.decoders): None for config in front}
    if not chosen:
        raise ConfigError("the front is empty: give at least one configuration")
    for config in chosen:
        if config not in supernet.space:
            widths = ", ".join(f"{width:g}" for width in config.encoder)
            raise ConfigError(
                f"a configuration of the front (encoder {widths}) is not in this supernet's search space: "
                "give the front that was searched in it"
            )
    costs = CostModel(supernet)
    return sorted(chosen, key=lambda config: (costs(config).macs, costs(config).bytes, config.encoder, config.decoders))


def asked_of(front: Sequence[SubnetConfig], policies: Mapping[str, Policy]) -> tuple[Asked, Mapping[str, Policy]]:
    """By widths, the precisions that a front of several precisions asks for, and the policies that it has for them.

    Nothing where it is all fp32: then the usual precisions are made. Without policies, `mixed` is int8, mixed anew.
    """
    named = {config.precision for config in front}
    if named <= {"fp32"}:
        return {}, {}
    usual = {"fp32": "fp32", "fp16": "fp16", "int8": "int8", MIXED: "int8"}
    for name in sorted(named):
        if name not in usual and name not in policies:
            raise ConfigError(f"the front names a precision {name!r}, and has no policy for it")
    asked: dict[SubnetConfig, tuple[str, ...]] = {}
    for config in front:
        widths = SubnetConfig(config.encoder, config.decoders)
        precision = config.precision if config.precision in policies else usual[config.precision]
        asked[widths] = tuple(sorted({*asked.get(widths, ()), precision}))
    return asked, {name: policy for name, policy in policies.items() if name in named}
