"""Mixed precision found by running: real engines, real quality."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pliant.devices.errors import QuantizeError
from pliant.export.pipeline import export_suite
from pliant.export.report import ExportReport, SubnetReport
from pliant.models.supernet import Supernet
from pliant.runtime.opening import open_suite

from .test_pipeline import Trained, trained  # noqa: F401

NOISY = "encoder.layer2.0"


def stretched(net: Supernet, factor: float) -> None:
    """The same function of images, but one channel within a block has far larger values than the others."""
    parts = dict(net.named_modules())
    with torch.no_grad():
        norm, reader = parts[f"{NOISY}.bn1"], parts[f"{NOISY}.conv2"]
        for vector in (norm.weight, norm.bias):
            vector[0] *= factor
        reader.weight[:, 0] /= factor


def exported(trained: Trained, out: Path, most: float | None, evaluations: int = 48) -> ExportReport:  # noqa: F811
    configs = [trained.net.space.uniform(0.5), trained.net.space.widest]
    return export_suite(
        trained.net, configs, out, data=trained.data, quality_images=16, max_drop=most, evaluations=evaluations
    )


def drops(report: ExportReport) -> list[float]:
    """The worst task's loss of each subnet that is not fp32, against its twin."""
    twins = {subnet.id.partition("-")[0]: subnet for subnet in report.subnets if subnet.precision == "fp32"}
    return [
        worst(subnet, twins[subnet.id.partition("-")[0]]) for subnet in report.subnets if subnet.precision != "fp32"
    ]


def worst(subnet: SubnetReport, twin: SubnetReport) -> float:
    better = ("segmentation", "edges", "classification")
    return max(
        (value - subnet.quality[task] if task in better else subnet.quality[task] - value) / abs(value)
        for task, value in twin.quality.items()
    )


@pytest.fixture(scope="module")
def noisy(trained: Trained) -> Trained:  # noqa: F811
    stretched(trained.net, 2000.0)
    return trained


def test_the_block_that_costs_quality_stays_in_floats(noisy: Trained, tmp_path: Path) -> None:
    whole = exported(noisy, tmp_path / "whole.pliant", None)
    assert max(drops(whole)) > 0.02, "the stretched block must cost something, or this tests nothing"
    mixed = exported(noisy, tmp_path / "mixed.pliant", 0.01)
    assert max(drops(mixed), default=0.0) <= 0.01
    found = [subnet for subnet in mixed.subnets if subnet.precision == "mixed"]
    assert found
    assert all(NOISY in subnet.floats for subnet in found)
    with open_suite(tmp_path / "mixed.pliant") as suite:
        assert all(result.ok for result in suite.verify())
        assert {subnet.precision for subnet in suite.subnets} <= {"mixed", "int8", "fp32"}


def test_what_cannot_be_kept_is_not_offered_in_int8(noisy: Trained, tmp_path: Path) -> None:
    """One evaluation only: nothing can be learned of the blocks."""
    report = exported(noisy, tmp_path / "x.pliant", 0.0, evaluations=1)
    assert max(drops(report), default=0.0) <= 0.0
    fp32 = [subnet for subnet in report.subnets if subnet.precision == "fp32"]
    assert [subnet.id for subnet in fp32] == ["s01-fp32", "s02-fp32"]
    assert sum(subnet.refused for subnet in fp32) == 4 - len(report.subnets)
    assert len(report.subnets) < 4


@pytest.mark.parametrize(("most", "precisions"), [(1.5, ("fp32", "int8")), (0.01, ("int8",))])
def test_limits_that_make_no_sense_are_refused(
    noisy: Trained, tmp_path: Path, most: float, precisions: tuple[str, ...]
) -> None:
    with pytest.raises(QuantizeError, match="max_drop"):
        export_suite(
            noisy.net,
            [noisy.net.space.widest],
            tmp_path / "x.pliant",
            data=noisy.data,
            max_drop=most,
            precisions=precisions,
        )
