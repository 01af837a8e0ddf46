"""fp16 where it holds: what overflows or loses stays in fp32, found by running."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pliant.cli.sample import SAMPLE_SUITE
from pliant.devices.dialect import get_dialect
from pliant.devices.errors import ExportError
from pliant.export.engine import Engine
from pliant.export.feeds import Wide, fp32_feed, int8_feed
from pliant.export.noise import signal_to_noise
from pliant.export.pipeline import export_suite
from pliant.export.quantized import HALVES
from pliant.export.rehearsal import rehearsed
from pliant.export.report import ExportReport
from pliant.export.template import widest_template
from pliant.quantize.halves import halve
from pliant.quantize.lowering import lower
from pliant.quantize.policy import Policy
from pliant.runtime.format.weights import read_arrays
from pliant.runtime.opening import open_suite

from ..rtx import build
from .making import statistics, waves
from .test_mixing import NOISY, drops, stretched
from .trained import Trained

OVERFLOWING = 1e6
"""What one channel is multiplied by, and divided by where it is read: in fp16 it is infinite."""


@pytest.fixture(scope="module")
def overflowing(trained: Trained) -> Trained:
    net = deepcopy(trained.net)
    stretched(net, OVERFLOWING)
    return Trained(net, trained.data)


def exported(trained: Trained, out: Path, most: float | None) -> ExportReport:
    configs = [trained.net.space.uniform(0.5), trained.net.space.widest]
    return export_suite(
        trained.net, configs, out, data=trained.data, quality_images=16, max_drop=most, precisions=("fp32", "fp16")
    )


def test_halves_cost_next_to_nothing(trained: Trained, tmp_path: Path) -> None:
    report = exported(trained, tmp_path / "x.pliant", 0.01)
    assert [subnet.id for subnet in report.subnets] == ["s01-fp16", "s01-fp32", "s02-fp16", "s02-fp32"]
    assert not any(subnet.floats for subnet in report.subnets)
    assert max(drops(report)) < 0.01
    with open_suite(tmp_path / "x.pliant") as suite:
        assert all(result.ok for result in suite.verify())
        halves, floats = suite.subnet("s01-fp16"), suite.subnet("s01-fp32")
        assert halves.bytes == floats.bytes, "the same stored weights"
        image = waves(1)
        one, other = (suite.load(each)(image)["depth"] for each in ("s01-fp16", "s01-fp32"))
        assert 0 < np.abs(one - other).max() < 0.02 * np.ptp(other)


def test_a_block_that_overflows_stays_in_fp32(overflowing: Trained, tmp_path: Path) -> None:
    """Whatever it costs: answers are no numbers. At most a hundredth: they are, and the vendor builds it as said."""
    with pytest.raises(ExportError, match="not finite in s01-fp16"):
        exported(overflowing, tmp_path / "whole.pliant", None)
    mixed = exported(overflowing, tmp_path / "mixed.pliant", 0.01)
    assert [subnet.id for subnet in mixed.subnets] == ["s01-fp16", "s01-fp32", "s02-fp16", "s02-fp32"]
    assert all(NOISY in subnet.floats for subnet in mixed.subnets if subnet.precision == "fp16")
    assert max(drops(mixed)) <= 0.01
    with open_suite(tmp_path / "mixed.pliant") as suite:
        assert all(result.ok for result in suite.verify())
        subnet = suite.subnet("s02-fp16")
        graph = suite.graph(subnet, "tensorrt").pruned([task.name for task in suite.tasks.values()])
        seen = build(graph.to_bytes(), read_arrays(suite.container, suite.record(subnet), graph, subnet.id))
        assert (seen.said, seen.plan > 0) == ((), True)
        assert {name for name, kind in seen.precisions.items() if kind == "fp32" and name.startswith(NOISY)} >= {
            f"{NOISY}.conv1",
            f"{NOISY}.conv2",
        }


def test_a_rehearsal_rounds_and_overflows_as_halves_do(trained: Trained) -> None:
    """onnxruntime drops casts on a CPU: without one, what a GPU would overflow in is not seen."""
    template, wide = widest_template(trained.net), Wide(trained.net)
    lowered = lower(template, Policy.halves(), get_dialect(HALVES))
    config = trained.net.space.widest
    fp32 = fp32_feed(template, wide, config, statistics(trained.net, config))
    assert rehearsed(fp32) is fp32
    halves = int8_feed(lowered, wide, fp32, {})
    name, images = "depth/logits", waves(4)
    exact, dropped, rounded = (Engine(f, [name], "")(images)[name] for f in (fp32, halves, rehearsed(halves)))
    assert 40 < signal_to_noise(exact, rounded) < signal_to_noise(exact, dropped)


@pytest.mark.parametrize("capability", ["8.9", "12.0"])
def test_every_subnet_of_the_sample_suite_is_built_in_halves(capability: str) -> None:
    """By the vendor, from graphs whose layers are all fp16, with no word about types."""
    with open_suite(SAMPLE_SUITE) as suite:
        for subnet in (each for each in suite.subnets if each.precision == "fp32"):
            graph = suite.graph(subnet, "tensorrt").pruned(list(suite.tasks))
            arrays = read_arrays(suite.container, suite.record(subnet), graph, subnet.id)
            model = ir.serde.deserialize_model(onnx.load_from_string(graph.to_bytes()))
            layers = halve(model.graph, Policy.halves(), ())
            seen = build(ir.serde.serialize_model(model).SerializeToString(), arrays, capability)
            assert (seen.said, seen.plan > 0) == ((), True), subnet.id
            assert len(layers) > 20
            assert {seen.precisions[name] for name in layers} == {"fp16"}, subnet.id
