"""Model packages, read back by onnxruntime itself: its choice of variant, and the suite's answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import pliant
from pliant.cli import main
from pliant.runtime.package import write_package

from .making import images, make


def session_of(package: Path, subnet: str) -> onnxruntime.InferenceSession:
    context = onnxruntime.ModelPackageContext(str(package))
    options = onnxruntime.ModelPackageOptions(onnxruntime.SessionOptions())
    component = context.select_component(subnet, options)
    assert component.get_selected_variant_name() == "cpu"
    return component.create_session()


def test_onnxruntime_opens_a_package_and_answers_as_the_suite(suite: pliant.Suite, tmp_path: Path) -> None:
    path = write_package(suite, suite.subnets, tmp_path / "package")
    context = onnxruntime.ModelPackageContext(str(path))
    assert context.get_component_names() == [subnet.id for subnet in suite.subnets]
    batch = images(2)
    for subnet in suite.subnets:
        session = session_of(path, subnet.id)
        names = [output.name for output in session.get_outputs()]
        assert sorted(names) == sorted(suite.tasks)
        found = dict(zip(names, session.run(names, {"images": batch}), strict=True))
        with suite.load(subnet, threads=1) as model:
            for task, array in model(batch).items():
                np.testing.assert_allclose(found[task], array, rtol=1e-5, atol=1e-5)


def test_what_it_costs_and_how_good_it_is_stands_beside_each(suite: pliant.Suite, tmp_path: Path) -> None:
    path = write_package(suite, ["s01-fp32", "s01-int8"], tmp_path / "package", tasks=("depth",))
    package = onnxruntime.ModelPackage.open(str(path))
    components = {component["name"]: component for component in package.get_info()["components"]}
    package.close()
    assert set(components) == {"s01-fp32", "s01-int8"}
    for name, component in components.items():
        subnet, told = suite.subnet(name), json.loads(component["additional_metadata_json"])
        assert (told["macs"], told["bytes"], told["precision"]) == (subnet.macs, subnet.bytes, subnet.precision)
        assert told["quality"]["depth"]["value"] == subnet.quality["depth"].value
        for variant in component["variants"]:
            model = Path(variant["variant_directory"]) / "model.onnx"
            onnx.checker.check_model(str(model))
            assert [output.name for output in onnx.load(model, load_external_data=False).graph.output] == ["depth"]
    # In floats CUDA runs the same graph.
    assert {variant["ep"] for variant in components["s01-fp32"]["variants"]} >= {"CUDAExecutionProvider"}
    assert {variant["ep"] for variant in components["s01-int8"]["variants"]} == {"CPUExecutionProvider"}


def test_a_package_appears_whole_or_not_at_all(suite: pliant.Suite, tmp_path: Path) -> None:
    with pytest.raises(pliant.BudgetError, match="s99"):
        write_package(suite, ["s01-fp32", "s99"], tmp_path / "package")
    with pytest.raises(pliant.InputError, match="there already"):
        write_package(suite, ["s01-fp32"], tmp_path)
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").touch()
    with pytest.raises(pliant.InputError, match="cannot be written"):
        write_package(suite, ["s01-fp32"], tmp_path / "file" / "package")


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "..", ".hidden", "a b"])
def test_a_suites_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    made = make()
    made.manifest["subnets"][0]["id"] = name
    made.records[name] = made.records.pop("s01-fp32")
    made.manifest["subnets"][0]["record"] = f"record/{name}"
    path, refused = (
        made.write(tmp_path / "made.pliant"),
        pytest.raises(pliant.SuiteError, match="no folder can be called"),
    )
    with pliant.open_suite(path) as suite, refused:
        write_package(suite, [suite.subnets[0]], tmp_path / "package")
    assert os.listdir(tmp_path) == ["made.pliant"]


def test_an_older_onnxruntime_is_told(suite: pliant.Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(onnxruntime, "ModelPackage")
    with pytest.raises(pliant.EngineUnavailable, match=r"onnxruntime>=1\.32"):
        write_package(suite, ["s01-fp32"], tmp_path / "package")


def test_the_verb(suite_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "package")
    assert main(["package", str(suite_path), "--out", out, "--subnet", "s02-fp32", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["subnets"] == ["s02-fp32"]
    assert told["bytes"] == sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    assert session_of(Path(out), "s02-fp32").get_inputs()[0].name == "images"
    assert main(["package", str(suite_path), "--out", out]) == 1
    assert "there already" in capsys.readouterr().err
