from __future__ import annotations

import pytest

from pliant.devices.errors import QuantizeError
from pliant.quantize.policy import Policy

LAYERS = ("encoder.conv1", "encoder.layer1.0.conv1", "decoders.depth.fuse.0", "decoders.depth.head")


def test_a_policy_is_the_same_after_json() -> None:
    policy = Policy("careful", ("decoders.depth.*",), True)
    assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize("name", ["", "fp32", "fp16", "a b", "../x", "[red]", "x" * 33])
def test_a_name_that_no_subnet_can_carry_is_refused(name: str) -> None:
    with pytest.raises(QuantizeError, match="a policy cannot be called"):
        Policy(name)


def test_patterns_choose_layers() -> None:
    policy = Policy(exclude=("decoders.depth.*", "encoder.conv1"))
    assert [layer for layer in LAYERS if policy.excludes(layer)] == [LAYERS[0], *LAYERS[2:]]
    policy.check(LAYERS)


def test_a_pattern_that_names_no_layer_is_an_error_with_the_nearest() -> None:
    with pytest.raises(QuantizeError, match=r"'decoders\.deth\.head'.*nearest is 'decoders\.depth\.head'"):
        Policy(exclude=("decoders.deth.head",)).check(LAYERS)


@pytest.mark.parametrize("entry", [None, {}, {"_version": 2}, {"_version": 1, "excludes": []}])
def test_what_is_no_policy_is_refused(entry: object) -> None:
    with pytest.raises(QuantizeError, match="not a precision policy"):
        Policy.from_json(entry)
