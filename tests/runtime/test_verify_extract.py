"""Verifying a whole suite, and taking subnets out of it as plain ONNX."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import pliant
from pliant.cli import main

from .making import SUBNETS, Made, images, make, reference
from .network import TASKS


def test_a_sound_suite_verifies(suite: pliant.Suite) -> None:
    results = list(suite.verify(threads=1))
    assert [result.subnet for result in results] == [None, *SUBNETS]
    assert all(result.ok for result in results)
    assert all(result.max_error is not None and result.max_error < 1e-4 for result in results[1:])
    assert results[1].to_json()["subnet"] == "s01-fp32"


def test_results_stream_and_name_what_is_wrong(tmp_path: Path) -> None:
    made = make()
    made.records["s01-int8"]["own/mix.weight.scale"] *= 1.5
    made.records["s02-fp32"]["own/unused"] = np.zeros(4, np.float32)
    with pliant.open_suite(made.write(tmp_path / "bad.pliant")) as suite:
        stream = suite.verify(threads=1)
        assert next(stream).ok
        results = {result.subnet: result for result in stream}
        assert [name for name, result in results.items() if not result.ok] == ["s01-int8", "s02-fp32"]
        assert "witness" in results["s01-int8"].detail
        assert "unused" in results["s02-fp32"].detail
        assert [result.subnet for result in suite.verify(["s03-fp32"], threads=1)] == [None, "s03-fp32"]
        with pytest.raises(pliant.BudgetError, match="s03-fp32"):
            list(suite.verify(["s03-fp23"]))


def test_one_flipped_bit_anywhere_fails_the_digests(suite_path: Path, tmp_path: Path) -> None:
    with pliant.open_suite(suite_path) as suite:
        entries = {name: entry.start for name, entry in suite.container.entries.items()}
    for name, at in entries.items():
        raw = bytearray(suite_path.read_bytes())
        raw[at] ^= 1
        path = tmp_path / "flipped.pliant"
        path.write_bytes(raw)
        with pliant.open_suite(path) as suite:
            first = next(suite.verify(threads=1))
            assert not first.ok
            assert name == "digests" or name in first.detail


@pytest.mark.parametrize("subnet", SUBNETS)
def test_an_extracted_subnet_is_a_sound_onnx_model_with_the_same_answers(
    suite: pliant.Suite, made: Made, tmp_path: Path, subnet: str
) -> None:
    path, data = suite.extract(subnet, tmp_path / "out.onnx")
    assert (path.name, data.name) == ("out.onnx", "out.onnx.data")
    onnx.checker.check_model(str(path), full_check=True)
    # Together and elsewhere: the location is relative.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for file in (path, data):
        shutil.move(file, elsewhere)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(elsewhere / "out.onnx"), options, providers=["CPUExecutionProvider"])
    batch = images(2)
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"images": batch}), strict=True))
    expected = reference(made.models[subnet], batch)
    assert list(found) == [task.name for task in TASKS]
    for task, output in found.items():
        np.testing.assert_allclose(output, expected[task], atol=1e-5)


def test_extracting_some_tasks_raw(suite: pliant.Suite, tmp_path: Path) -> None:
    path, data = suite.extract("s01-fp32", tmp_path / "d.onnx", tasks="depth", raw=True)
    model = onnx.load(path)
    assert [output.name for output in model.graph.output] == ["depth/logits"]
    whole = suite.extract("s01-fp32", tmp_path / "all.onnx")[1]
    assert data.stat().st_size < whole.stat().st_size


def test_extract_refuses_what_it_cannot_do_and_leaves_nothing(suite: pliant.Suite, tmp_path: Path) -> None:
    with pytest.raises(pliant.SuiteError, match="tensorrt"):
        suite.extract("s01-fp32", tmp_path / "x.onnx", target="tensorrt")
    with pytest.raises(pliant.BudgetError, match="s01-fp32"):
        suite.extract("s01", tmp_path / "x.onnx")
    with pytest.raises(pliant.InputError, match="cannot be written"):
        suite.extract("s01-fp32", tmp_path / "absent" / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_of_the_weights_leaves_the_suite_by_no_door(
    suite: pliant.Suite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensor = next(view.tensor for view in suite.record(suite.subnet("s01-fp32")).views.values())
    raw = bytearray(suite.path.read_bytes())
    raw[suite.container.entry(tensor).start] ^= 1
    flipped, out = tmp_path / "flipped.pliant", tmp_path / "out"
    flipped.write_bytes(raw)
    out.mkdir()
    for asked in (["extract", "s01-fp32", "--out", f"{out}/x.onnx"], ["package", "--out", f"{out}/package"]):
        assert main([asked[0], str(flipped), *asked[1:]]) == 1
        said = capsys.readouterr()
        assert said.err.splitlines() == [f"{flipped} is damaged: the digest of {tensor!r} is wrong"]
        assert list(out.iterdir()) == []


def test_damage_that_a_subnet_does_not_read_keeps_nobody_from_extracting_it(tmp_path: Path, suite_path: Path) -> None:
    with pliant.open_suite(suite_path) as suite:
        views = {view.tensor for view in suite.record(suite.subnet("s01-fp32")).views.values()}
        others = (name for name in suite.container.entries if name.startswith("int8/") and name not in views)
        at = suite.container.entry(next(others)).start
    raw = bytearray(suite_path.read_bytes())
    raw[at] ^= 1
    (tmp_path / "flipped.pliant").write_bytes(raw)
    with pliant.open_suite(tmp_path / "flipped.pliant") as suite:
        assert suite.extract("s01-fp32", tmp_path / "x.onnx")[1].stat().st_size > 0


def test_a_failed_extract_keeps_the_old_files(
    suite: pliant.Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = suite.extract("s01-fp32", tmp_path / "x.onnx")
    before = path.read_bytes(), data.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(pliant.InputError, match="No space left"):
        suite.extract("s03-fp32", path)
    assert (path.read_bytes(), data.read_bytes()) == before
    assert sorted(tmp_path.iterdir()) == [path, data]
