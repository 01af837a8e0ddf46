"""Precision by part: names, policies, and that the parts of a network do not touch each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.devices.dialect import get_dialect
from pliant.export.forms import Forms
from pliant.models.space import SubnetConfig
from pliant.quantize.assignment import MOST_TASKS, PARTS, Assignment, even_assignments, policy_of
from pliant.quantize.policy import Policy
from pliant.search.latency.timing import _statistics_at_hand

from ..models.making import DENSE, make_supernet

TASKS = ("depth", "edges", "normals", "surfaces")
POLICIES = {"int8": Policy(), "mixed": Policy("mixed", (("encoder.stem", "fp32"), ("decoders.depth.head", "fp32")))}


@given(st.sampled_from(PARTS), st.lists(st.sampled_from(PARTS), min_size=1, max_size=MOST_TASKS))
def test_a_name_says_the_precision_of_each_part_and_names_a_policy(encoder: str, decoders: list[str]) -> None:
    assigned = Assignment(encoder, tuple(decoders))
    assert Assignment.of(assigned.precision, len(decoders)) == assigned
    if assigned.precision != "fp32":
        Policy(assigned.precision)


def test_what_is_no_assignment_is_one_precision_of_all() -> None:
    for name in ("careful", "careful-fi", "int8-xx", "int8-f"):
        assert Assignment.of(name, 2) == Assignment(name, (name, name))


def test_words() -> None:
    assert Assignment.of("int8-fiif", 4).describe(TASKS) == "int8, depth and surfaces fp32"
    assert Assignment.of("fp32-fmif", 4).describe(TASKS) == "fp32, edges mixed, normals int8"
    assert Assignment.of("int8", 4).describe(TASKS) == "int8"
    assert Assignment.of("fp32-iiii", 4).describe(TASKS) == "fp32, all decoders int8"


def test_every_pair_of_precisions_of_encoder_and_decoders_the_same_for_both_first() -> None:
    found = [each.precision for each in even_assignments(2, ("fp32", "int8"))]
    assert found == ["fp32", "int8", "fp32-ii", "int8-ff"]
    assert [each.precision for each in even_assignments(MOST_TASKS + 1, ("fp32", "int8"))] == ["fp32", "int8"]


def test_a_policy_is_put_together_from_those_of_the_parts() -> None:
    assert policy_of("int8", TASKS, POLICIES) == POLICIES["int8"]
    found = policy_of("mixed-mfii", TASKS, POLICIES)
    assert found.name == "mixed-mfii"
    wanted = {
        "encoder.stem": "fp32",
        "encoder.layer1.0.conv1": "int8",
        "decoders.depth.head": "fp32",
        "decoders.depth.mix": "int8",
        "decoders.edges.mix": "fp32",
        "decoders.normals.head": "int8",
    }
    assert {layer: found.of(layer) for layer in wanted} == wanted
    assert policy_of("fp32-fmff", TASKS, POLICIES).of("encoder.layer1.0.conv1") == "fp32"


@pytest.mark.parametrize("name", ["resnet10", "mobilenetv2"])
def test_layers_in_int8_are_those_of_the_parts_that_are(name: str) -> None:
    """And no arrays or ranges are wanted but those of the policies of single parts."""
    supernet = make_supernet(name, DENSE[1:3])
    forms = Forms(supernet, {"int8": Policy()}, get_dialect("onnxruntime"))
    whole = {layer.name for layer in forms.lowered("int8").layers}
    tasks, config = supernet.space.tasks, supernet.space.narrowest
    for assigned in (Assignment("int8", ("fp32", "int8")), Assignment("fp32", ("int8", "fp32"))):
        decoders = zip(tasks, assigned.decoders, strict=True)
        precisions = {"encoder": assigned.encoder, **{f"decoders.{task}": each for task, each in decoders}}
        reduced = tuple(f"{part}." for part, each in precisions.items() if each == "int8")
        lowered = forms.lowered(assigned.precision)
        assert {layer.name for layer in lowered.layers} == {each for each in whole if each.startswith(reduced)}
        assert set(lowered.ranged) <= set(forms.ranged)
        fp32 = forms.fp32(config, _statistics_at_hand(supernet, config))
        named = SubnetConfig(config.encoder, config.decoders, assigned.precision)
        assert set(forms.of(named, fp32, forms.unmeasured()).views) <= {f"int8/{each}" for each in fp32.views} | set(
            fp32.views
        )
