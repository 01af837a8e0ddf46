"""The peer benchmark's parts: a peer's script in a process of its own, and judgement of what it made."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import pliant
from pliant.benchmarks.peers.calibrators import CALIBRATORS
from pliant.benchmarks.peers.judged import Judged, judge, losses
from pliant.benchmarks.peers.report import table
from pliant.devices.fingerprint import read_fingerprint
from pliant.export.quality import Labelled
from pliant.runtime.format.tasks import Task

DEPTH = Task("depth", "depth", value_range=(0.1, 300.0))


def brightness(path: Path, scale: float = 1.0) -> Path:
    """`depth` is the mean of an image's channels, through a convolution, so that there is something to quantize."""
    weight = numpy_helper.from_array(np.full((1, 3, 1, 1), scale / 3, np.float32), "w")
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "w"], ["y"]),
        helper.make_node("Squeeze", ["y", "one"], ["depth"]),
    ]
    numbers = [weight, numpy_helper.from_array(np.array([1], np.int64), "one")]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 8, 8, 3])
    out = helper.make_tensor_value_info("depth", TensorProto.FLOAT, ["N", 8, 8])
    graph = helper.make_graph(nodes, "g", [images], [out], numbers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.fixture
def data() -> Labelled:
    images = np.random.default_rng(0).integers(1, 256, (6, 8, 8, 3), dtype=np.uint8)
    return Labelled(images, tuple({"depth": image.mean(-1).astype(np.float32) + 1.0} for image in images))


def test_a_peer_quantizes_by_its_own_defaults_in_its_own_process(tmp_path: Path, data: Labelled) -> None:
    fp32 = brightness(tmp_path / "fp32.onnx")
    np.savez(tmp_path / "images.npz", images=data.images)
    script = Path(pliant.__file__).parent / "benchmarks" / "peers" / "quantizers.py"
    files = (fp32, tmp_path / "images.npz", tmp_path / "int8.onnx")
    ran = subprocess.run([sys.executable, script, "onnxruntime", *files], capture_output=True, text=True, check=True)
    assert "made by onnxruntime" in ran.stdout
    whole, found = (judge(path, (DEPTH,), data)[1] for path in (fp32, files[2]))
    assert whole.quality["depth"] == pytest.approx(1.0, abs=1e-3)
    (loss,) = losses((DEPTH,), whole, found).values()
    # Without VNNI the sums of onnxruntime's default, unsigned by signed, overflow 16 bits: that loss is the peer's own.
    # Two products that overflow keep half of their sum: an error of half of 255 at most, where fp32's is 1.
    sums_fit = any("vnni" in name for name in read_fingerprint().isa)
    assert 0.0 < abs(loss) < (0.5 if sums_fit else 128.0)


@pytest.mark.parametrize("name", CALIBRATORS)
def test_a_calibrator_finds_what_the_images_span(name: str, tmp_path: Path, data: Labelled) -> None:
    """Pixels of 1 to 255 and their means: by the calibrators' own names of tensors, which are the graph's."""
    found = CALIBRATORS[name](brightness(tmp_path / "fp32.onnx"), data.images)
    low, high = found["x" if "x" in found else "floats"]  # NNCF rounds before the transposition
    assert -1.0 <= low <= 30.0, "a quantizer has 0 in its range"
    assert 200.0 <= high <= 256.0
    if name.lower().endswith("minmax"):
        assert high == pytest.approx(255.0, rel=1e-3)


def test_outputs_that_are_no_numbers_are_said_to_be_none(tmp_path: Path, data: Labelled) -> None:
    _, found = judge(brightness(tmp_path / "x.onnx", math.nan), (DEPTH,), data)
    assert math.isnan(found.quality["depth"])
    loss = losses((DEPTH,), Judged({"depth": 1.0}, 1), found)
    row = {
        "width": 1,
        "method": "nncf",
        "by": "nncf 3",
        "bytes": 10**6,
        "latency_ms": 2.0,
        "speedup": 0.5,
        "seconds": 3.0,
    }
    assert "| 1 | nncf 3 | 0.50 | 2.00 | 1.00 | 3 | not a number | not a number |" in table([{**row, "loss": loss}])
