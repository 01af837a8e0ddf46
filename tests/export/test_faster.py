"""Each rewrite for speed computes what the graph before it did, and does what it is for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from pliant.export.faster import add_channels_by_product, normalize_in_rows, resize_few_channels_plainly

from .conftest import Exported

RESIZED = """
    <ir_version: 9, opset_import: ["" : 18]>
    before (float[N, 8, 6, 5] x) => (float[N, CHANNELS, 24, 20] y)
    <float[4] scales = {1, 1, 4, 4}, float[CHANNELS, 8, 1, 1] weight = {WEIGHT}>
    {
        head = Conv (x, weight)
        y = Resize <mode = "linear"> (head, , scales)
    }
"""
ADDED = """
    <ir_version: 9, opset_import: ["" : 18]>
    before (float[N, CHANNELS, 6, 5] x) => (float[N, 1, 6, 5] y)
    <int64[1] axis = {1}>
    {
        squares = Mul (x, x)
        y = ReduceSum (squares, axis)
    }
"""
NORMALIZED = """
    <ir_version: 9, opset_import: ["" : 18]>
    before (uint8[N, 6, 5, 3] x) => (float[N, 3, 6, 5] y)
    <float[1, 3, 1, 1] factor = {0.5, 0.25, 0.125}, float[1, 3, 1, 1] shift = {1, 2, 3}>
    {
        floats = Cast <to = 1> (x)
        turned = Transpose <perm = [0, 3, 1, 2]> (floats)
        scaled = Mul (turned, factor)
        y = Sub (scaled, shift)
    }
"""


def model(text: str, channels: int = 3) -> ir.Model:
    numbers = ", ".join(f"{number:.3f}" for number in np.random.default_rng(0).normal(size=channels * 8))
    text = text.replace("{WEIGHT}", f"{{{numbers}}}").replace("CHANNELS", str(channels))
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(onnx.parser.parse_model(text)))


def run(graph: ir.Model, x: NDArray[np.generic]) -> NDArray[np.float32]:
    proto = ir.serde.serialize_model(graph)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x})[0])


def kinds(graph: ir.Model) -> list[str]:
    return [node.op_type for node in graph.graph]


@pytest.mark.parametrize(
    ("text", "rewrite", "after"),
    [
        (RESIZED, resize_few_channels_plainly, ["Conv", "Unsqueeze", "Squeeze", "Resize"]),
        (ADDED, add_channels_by_product, ["Mul", "Reshape", "MatMul", "Reshape"]),
        (NORMALIZED, normalize_in_rows, ["Cast", "Reshape", "Mul", "Sub", "Reshape", "Transpose"]),
    ],
    ids=["resize", "sum", "normalization"],
)
@pytest.mark.parametrize("images", [1, 2])
def test_a_rewritten_graph_computes_the_same(
    text: str, rewrite: Callable[[ir.Graph], None], after: list[str], images: int
) -> None:
    before, changed = model(text), model(text)
    rewrite(changed.graph)
    assert kinds(changed) == after
    shape = (images, *(size for size in before.graph.inputs[0].shape or () if isinstance(size, int)))
    x = np.random.default_rng(1).integers(0, 255, shape)
    given = x.astype(np.uint8) if text is NORMALIZED else (x / 100).astype(np.float32)
    np.testing.assert_allclose(run(changed, given), run(before, given), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "rewrite"), [(RESIZED, resize_few_channels_plainly), (ADDED, add_channels_by_product)]
)
def test_many_channels_stay_as_they_are(text: str, rewrite: Callable[[ir.Graph], None]) -> None:
    """In blocks of sixteen they are as fast or faster."""
    graph = model(text, channels=7)
    before = kinds(graph)
    rewrite(graph.graph)
    assert kinds(graph) == before


def test_images_are_normalized_some_pixels_a_row_before_they_are_transposed(resnet: Exported) -> None:
    """Three channels alone fill no vector; as many pixels as a graph may hold constants for do."""
    nodes = resnet.template.graph.node[:6]
    assert [node.op_type for node in nodes] == ["Cast", "Reshape", "Mul", "Sub", "Reshape", "Transpose"]
    numbers = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in resnet.template.graph.initializer if tensor.raw_data
    }
    assert list(numbers[nodes[1].input[1]]) == [0, 32 * 48 // 16, 16 * 3]
    assert numbers[nodes[2].input[1]].size == 48


def test_templates_have_no_sum_over_few_channels(resnet: Exported) -> None:
    """The lengths of normals."""
    assert "ReduceSum" not in {node.op_type for node in resnet.template.graph.node}
