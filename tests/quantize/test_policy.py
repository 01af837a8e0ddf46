from __future__ import annotations

import pytest

from pliant.devices.errors import QuantizeError
from pliant.quantize.policy import Policy

LAYERS = ("encoder.conv1", "encoder.layer1.0.conv1", "decoders.depth.fuse.0", "decoders.depth.head")


def test_a_policy_is_the_same_after_json() -> None:
    policy = Policy("careful", (("decoders.depth.*", "fp32"),), "fp16", "int8")
    assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize("name", ["", "fp32", "a b", "../x", "[red]", "x" * 33])
def test_a_name_that_no_subnet_can_carry_is_refused(name: str) -> None:
    with pytest.raises(QuantizeError, match="a policy cannot be called"):
        Policy(name)


def test_the_last_pattern_that_matches_counts() -> None:
    policy = Policy("p", (("decoders.*", "fp16"), ("decoders.depth.*", "fp32"), ("encoder.conv1", "fp32")))
    assert [policy.of(layer) for layer in LAYERS] == ["fp32", "int8", "fp32", "fp32"]
    assert (policy.of("decoders.edges.head", head=True), Policy().of("decoders.edges.head", head=True)) == (
        "fp16",
        "fp32",
    )
    policy.check([*LAYERS, "decoders.edges.head"])


def test_a_pattern_that_names_no_layer_is_an_error_with_the_nearest() -> None:
    with pytest.raises(QuantizeError, match=r"'decoders\.deth\.head'.*nearest is 'decoders\.depth\.head'"):
        Policy(layers=(("decoders.deth.head", "fp32"),)).check(LAYERS)


def test_a_precision_that_does_not_exist_is_refused() -> None:
    with pytest.raises(QuantizeError, match="there is no precision 'int4': choose among fp32, fp16, int8"):
        Policy(default="int4")


@pytest.mark.parametrize(
    "entry", [None, {}, {"_version": 1}, {"_version": 2, "exclude": []}, {"_version": 2, "layers": 3}]
)
def test_what_is_no_policy_is_refused(entry: object) -> None:
    with pytest.raises(QuantizeError, match="not a precision policy"):
        Policy.from_json(entry)
