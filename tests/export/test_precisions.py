"""What a front says of precisions, exported as it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from pliant.devices.errors import ConfigError
from pliant.export.mixing import Mixer
from pliant.export.pipeline import export_suite
from pliant.export.settings import ExportData
from pliant.quantize.assignment import policy_of
from pliant.quantize.policy import Policy
from pliant.runtime.format.weights import read_arrays
from pliant.runtime.opening import open_suite

from .making import Waves, supernet
from .trained import Trained


def test_a_front_of_several_precisions_is_exported_in_those(trained: Trained, tmp_path: Path) -> None:
    space = trained.net.space
    front = [space.widest, space.narrowest, replace(space.uniform(0.75, 0.5), precision="mixed")]
    front.append(replace(space.widest, precision="int8"))
    export_suite(trained.net, front, tmp_path / "x.pliant", data=trained.data, calibration_images=8, quality_images=8)
    with open_suite(tmp_path / "x.pliant") as suite:
        assert [subnet.id for subnet in suite.subnets] == ["s01-fp32", "s02-int8", "s03-int8", "s03-fp32"]


def test_a_front_with_a_precision_for_each_part_is_exported_part_by_part(trained: Trained, tmp_path: Path) -> None:
    """`int8-if`: encoder and depth in int8, segmentation in fp32."""
    config, name = replace(trained.net.space.widest, precision="int8-if"), "int8-if"
    policies = {name: policy_of(name, trained.net.space.tasks, {"int8": Policy()})}
    with patch.object(Mixer, "find", side_effect=AssertionError("nothing is to be found")):
        export_suite(
            trained.net,
            [config],
            tmp_path / "x.pliant",
            data=trained.data,
            calibration_images=8,
            quality_images=8,
            policies=policies,
            targets=("onnxruntime",),
        )
    with open_suite(tmp_path / "x.pliant") as suite:
        assert suite.subnet("s01-int8-if").precision == name
        stored = {view.tensor for view in suite.record(suite.subnet("s01-int8-if")).views.values()}
    low = {".".join(each.removeprefix("int8/").split(".")[:2]) for each in stored if each.startswith("int8/")}
    assert "decoders.depth" in low
    assert "decoders.segmentation" not in low
    assert any(part.startswith("encoder.") for part in low)


def test_a_fronts_own_policy_is_exported_as_it_is(trained: Trained, tmp_path: Path) -> None:
    """Whatever int8 may cost: which blocks are in fp32 the search has measured already."""
    space, name = trained.net.space, "encoder.layer2.0"
    policies = {"int8": Policy(), "mixed": Policy("mixed", ((f"{name}.*", "fp32"),))}
    front = [replace(space.widest, precision=each) for each in ("mixed", "int8")]
    with patch.object(Mixer, "find", side_effect=AssertionError("nothing is to be found")):
        report = export_suite(
            trained.net,
            front,
            tmp_path / "x.pliant",
            data=trained.data,
            calibration_images=8,
            quality_images=8,
            max_drop=0.0,
            policies=policies,
            targets=("onnxruntime",),
        )
    assert [(subnet.id, subnet.floats) for subnet in report.subnets] == [("s01-int8", ()), ("s01-mixed", (name,))]
    with open_suite(tmp_path / "x.pliant") as suite:
        stored = {view.tensor for view in suite.record(suite.subnet("s01-mixed")).views.values()}
    assert f"weights/{name}.conv1.weight" in stored
    assert f"int8/{name}.conv1.weight" not in stored


def test_each_engine_has_the_layers_that_it_gains_by(tmp_path: Path) -> None:
    """The first layer is on integers for one of them only: its integers and ranges are there all the same."""
    net = supernet("depth", encoder="mobilenetv2")
    data = ExportData(Waves(net.tasks, 8), Waves(net.tasks, 4, seed=1), "test")
    report = export_suite(net, [net.space.narrowest], tmp_path / "x.pliant", data=data, precisions=("int8",))
    with open_suite(report.path) as suite:
        assert all(result.ok for result in suite.verify())
        (subnet,) = suite.subnets
        first = {}
        for target in ("onnxruntime", "tensorrt"):
            graph = suite.graph(subnet, target)
            arrays = read_arrays(suite.container, suite.record(subnet), graph, subnet.id)
            assert all(np.isfinite(array).all() for array in arrays.values())
            first[target] = next(name for name in arrays if name.endswith("encoder.features.0.0.weight"))
        assert first["onnxruntime"] == "encoder.features.0.0.weight"
        assert first["tensorrt"] == "int8/encoder.features.0.0.weight"


def test_a_front_that_is_all_fp32_is_exported_as_if_it_knew_of_no_precision(trained: Trained, tmp_path: Path) -> None:
    report = trained.export(tmp_path / "x.pliant", policies={"int8": Policy()}, max_drop=0.5)
    assert {subnet.precision for subnet in report.subnets} == {"fp32", "int8"}


def test_what_a_front_names_is_made_whatever_the_recipe_makes(trained: Trained, tmp_path: Path) -> None:
    """A policy that reduces more than the usual one, beside a recipe that would make fp32 alone."""
    policies = {"int8": Policy(heads="int8")}
    front = [replace(trained.net.space.narrowest, precision="int8"), trained.net.space.widest]
    report = export_suite(
        trained.net, front, tmp_path / "x.pliant", data=trained.data, precisions=("fp32",), policies=policies
    )
    assert [subnet.id for subnet in report.subnets] == ["s01-int8", "s02-fp32"]
    with open_suite(tmp_path / "x.pliant") as suite:
        tolerance = suite.manifest.witness_tolerance
        assert tolerance["fp32"] < tolerance["int8"]


def test_a_precision_that_nobody_knows_is_refused_before_any_work(trained: Trained, tmp_path: Path) -> None:
    front = [replace(trained.net.space.widest, precision="int7")]
    with pytest.raises(ConfigError, match="names a precision 'int7'"):
        export_suite(trained.net, front, tmp_path / "x.pliant", data=trained.data)
