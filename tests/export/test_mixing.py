"""Mixed precision found by running: real engines, real quality."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from pliant.benchmarks.lowered import as_it_stands
from pliant.cli.exporting import print_exported
from pliant.devices.errors import QuantizeError
from pliant.export.mixing import Mixer, relative_drop
from pliant.export.pipeline import export_suite
from pliant.export.quality import measure_quality, read_labelled
from pliant.export.report import ExportReport, SubnetReport
from pliant.models.losses import loss
from pliant.models.network import normalize
from pliant.models.rounding import Rounding
from pliant.models.supernet import Supernet
from pliant.quantize.fake import FakeInt8
from pliant.quantize.policy import Policy
from pliant.quantize.sensitivity import Loss, Mixture
from pliant.runtime.opening import open_suite
from pliant.training.data.batches import collate

from .trained import Trained

NOISY = "encoder.layer2.0"
BLOCKS = [f"encoder.layer{stage}.0" for stage in (1, 2, 3, 4)]


def stretched(net: Supernet, factor: float, block: str = NOISY) -> None:
    """The same function of images, but one channel within a block has far larger values than the others."""
    parts = dict(net.named_modules())
    with torch.no_grad():
        norm, reader = parts[f"{block}.bn1"], parts[f"{block}.conv2"]
        for vector in (norm.weight, norm.bias):
            vector[0] *= factor
        reader.weight[:, 0] /= factor


def exported(trained: Trained, out: Path, most: float | None, evaluations: int = 48) -> ExportReport:
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
def noisy(trained: Trained) -> Trained:
    noisy = Trained(copy.deepcopy(trained.net), trained.data)
    stretched(noisy.net, 2000.0)
    return noisy


Suites = dict[float | None, tuple[Path, ExportReport]]


@pytest.fixture(scope="module")
def suites(noisy: Trained, tmp_path_factory: pytest.TempPathFactory) -> Suites:
    """The same subnets, whatever int8 costs, and losing at most a hundredth."""
    folder = tmp_path_factory.mktemp("suites")
    paths: dict[float | None, Path] = {None: folder / "whole.pliant", 0.01: folder / "mixed.pliant"}
    return {most: (path, exported(noisy, path, most)) for most, path in paths.items()}


def test_the_block_that_costs_quality_stays_in_floats(suites: Suites) -> None:
    (_, whole), (path, mixed) = suites[None], suites[0.01]
    assert max(drops(whole)) > 0.02, "the stretched block must cost something, or this tests nothing"
    assert max(drops(mixed), default=0.0) <= 0.01
    found = [subnet for subnet in mixed.subnets if subnet.precision == "mixed"]
    assert found
    assert all(NOISY in subnet.floats for subnet in found)
    with open_suite(path) as suite:
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


def lost_elsewhere(trained: Trained, path: Path) -> list[float]:
    """What the worst task of each int8 subnet loses by its graph for TensorRT, computed as it stands."""
    lost = []
    with open_suite(path) as suite:
        data, tasks = read_labelled(trained.data.quality, 16, suite.input.shape[:2]), tuple(suite.tasks.values())
        for subnet in suite.subnets:
            if subnet.precision != "fp32" and "tensorrt" in subnet.graphs:
                found = measure_quality(as_it_stands(suite, subnet, "tensorrt"), tasks, data)
                twin = suite.subnet(f"{subnet.id.partition('-')[0]}-fp32").quality
                lost.append(max(relative_drop(task, twin[task.name].value, found[task.name]) for task in tasks))
    return lost


def test_graphs_for_an_engine_that_is_not_here_keep_in_floats_what_they_must(
    trained: Trained,
    tmp_path: Path,
) -> None:
    """A channel that 255 steps can bear and 127 cannot: all in int8 for onnxruntime, one block in fp32 for TensorRT."""
    # How far it must be stretched depends on how training was rounded.
    for factor in (150.0, 200.0, 270.0, 360.0, 480.0):
        near = Trained(copy.deepcopy(trained.net), trained.data)
        stretched(near.net, factor)
        exported(near, tmp_path / "whole.pliant", None)
        if max(lost_elsewhere(near, tmp_path / "whole.pliant")) > 0.03:
            break
    else:
        pytest.fail("no stretching of the channel costs TensorRT's integers 3 %: nothing is tested")
    report = exported(near, tmp_path / "held.pliant", 0.02)
    found = {subnet.id: (subnet.floats, subnet.elsewhere["tensorrt"]) for subnet in report.subnets if subnet.elsewhere}
    assert found["s02-int8"][0] == ()
    assert NOISY in (found["s02-int8"][1] or ())
    held = lost_elsewhere(near, tmp_path / "held.pliant")
    assert len(held) == 2
    assert max(held) <= 0.02


def test_a_graph_that_cannot_be_kept_is_left_out_alone(noisy: Trained, tmp_path: Path) -> None:
    """onnxruntime's stays: by a policy of the front's own it is what was asked for, whatever it costs."""
    front = [replace(noisy.net.space.widest, precision="int8")]
    with patch.object(Mixer, "find", return_value=Mixture(Policy(), Loss({}, {}), (), 1, False)):
        report = export_suite(
            noisy.net,
            front,
            tmp_path / "x.pliant",
            data=noisy.data,
            quality_images=16,
            max_drop=0.01,
            policies={"int8": Policy()},
        )
    assert [(subnet.id, subnet.elsewhere) for subnet in report.subnets] == [("s01-int8", {"tensorrt": None})]
    with open_suite(tmp_path / "x.pliant") as suite:
        assert list(suite.subnets[0].graphs) == ["onnxruntime"]
        assert all(result.ok for result in suite.verify())


def test_a_fronts_own_policy_that_costs_more_than_it_may_is_kept_and_told(
    noisy: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is what was asked for; but who reads of `max_drop` must learn that it is not held."""
    front = [noisy.net.space.widest, replace(noisy.net.space.widest, precision="int8")]
    report, loose = (
        export_suite(
            noisy.net,
            front,
            tmp_path / "x.pliant",
            data=noisy.data,
            quality_images=16,
            max_drop=most,
            policies={"int8": Policy()},
            targets=("onnxruntime",),
        )
        for most in (0.01, 0.9)
    )
    fp32, int8 = sorted(report.subnets, key=lambda subnet: subnet.precision)
    lost = {t.name: relative_drop(t, fp32.quality[t.name], int8.quality[t.name]) for t in noisy.net.tasks}
    assert max(lost.values()) > 0.02, "the stretched block must cost something, or this tests nothing"
    assert int8.over == {task: drop for task, drop in lost.items() if drop > 0.01}
    assert report.to_json()["subnets"][report.subnets.index(int8)]["over"] == int8.over
    assert not any(subnet.over for subnet in (fp32, *loose.subnets))
    print_exported(report, tmp_path / "x.pliant", False)
    print_exported(loose, tmp_path / "x.pliant", False)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "quantize.max_drop" in line)
    worst, drop = max(int8.over.items(), key=lambda pair: pair[1])
    assert line.startswith("as the front has them, over quantize.max_drop: s01-int8 (")
    assert f"{worst} {drop:.1%}" in line


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


def trained_on(trained: Trained, rounding: Callable[[Supernet], Rounding] | None, steps: int = 40) -> Supernet:
    """A copy, trained further, every step with what rounds."""
    net, data = copy.deepcopy(trained.net).train(), trained.data.train
    batch = collate([data[index] for index in range(32)], net.tasks)
    images, optimizer = normalize(batch.images, net.architecture), torch.optim.Adam(net.parameters(), 1e-3)
    for step in range(steps):
        part = slice(8 * (step % 4), 8 * (step % 4) + 8)
        optimizer.zero_grad()
        for config in (net.space.widest, net.space.narrowest):
            outputs = net(images[part], config, rounding=rounding and rounding(net))
            torch.stack([loss(t, outputs[t.name], batch.targets[t.name][part]) for t in net.tasks]).sum().backward()
        optimizer.step()
    return net.eval()


FACTORS = (30.0, 60.0)


def exported_after(
    trained: Trained, factor: float, rounding: Callable[[Supernet], Rounding] | None, out: Path
) -> ExportReport:
    """Of a network whose every block lost bits, and that was trained further."""
    spoilt = Trained(copy.deepcopy(trained.net), trained.data)
    for block in BLOCKS:
        stretched(spoilt.net, factor, block)
    return exported(Trained(trained_on(spoilt, rounding), trained.data), out, None)


@pytest.fixture(scope="module")
def floats(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[float, tuple[Path, ExportReport]]:
    """Steps in floats know of no engine: trained and exported once for both."""
    folder = tmp_path_factory.mktemp("floats")
    paths = {factor: folder / f"{factor:g}.pliant" for factor in FACTORS}
    return {factor: (path, exported_after(trained, factor, None, path)) for factor, path in paths.items()}


@pytest.mark.parametrize("engine", ["onnxruntime", "tensorrt"])
def test_training_with_int8_in_mind_gives_back_some_of_what_it_costs(
    trained: Trained, floats: dict[float, tuple[Path, ExportReport]], tmp_path: Path, engine: str
) -> None:
    """Against as many steps in floats, both exported and run; the mean of two networks whose every block lost bits.

    Bits, not all of them: what a channel stretched by hundreds leaves nothing of, steps in floats do without as soon.
    """
    here, path = engine == "onnxruntime", tmp_path / "x.pliant"
    lost: dict[str, float] = dict.fromkeys(("floats", "aware"), 0.0)
    for factor in FACTORS:
        aware = exported_after(trained, factor, partial(FakeInt8, symmetric=not here), path)
        for name, (suite, report) in (("floats", floats[factor]), ("aware", (path, aware))):
            lost[name] += max(drops(report) if here else lost_elsewhere(trained, suite)) / len(FACTORS)
    assert lost["floats"] > 0.01, "there must be something to give back, or this tests nothing"
    assert lost["aware"] < lost["floats"] * 0.8, lost
