"""Graphs whose activations cannot be sized, or ask for more than images need, are refused at once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

import pliant

from .sized import Node, model, weightless


def doublings(count: int) -> list[Node]:
    return [("Concat", ["x" if index == 0 else "#"] * 2, {"axis": 2}) for index in range(count)]


def constant(values: Any, dtype: Any = np.int64) -> Node:
    return "Constant", [], {"value": numpy_helper.from_array(np.array(values, dtype))}


GREEDY: dict[str, tuple[list[Node], str]] = {
    "Expand by a constant node": ([constant([1, 3, 1 << 14, 1 << 14]), ("Expand", ["one", "#"], {})], "asks for more"),
    "Expand to a lie": ([constant([1 << 40, 1 << 40]), ("Expand", ["one", "#"], {})], "impossible dimensions"),
    "Pad by a constant node": ([constant([0] * 5 + [1 << 30, 0, 0]), ("Pad", ["x", "#"], {})], "asks for more"),
    "Resize by a constant node": (
        [constant([1, 1, 1e4, 1e4], np.float32), ("Resize", ["x", "", "#"], {})],
        "asks for more",
    ),
    "Resize by infinity": ([constant([1, 1, np.inf, 1], np.float32), ("Resize", ["x", "", "#"], {})], "impossible"),
    "Resize by nothing": ([constant([1, 1, np.nan, 1], np.float32), ("Resize", ["x", "", "#"], {})], "impossible"),
    "Resize of the batch": ([constant([9, 1, 1, 1], np.float32), ("Resize", ["x", "", "#"], {})], "impossible"),
    "Resize that crops": (
        [
            constant([1, 1, 1, 1], np.float32),
            ("Resize", ["x", "#", "#"], {"coordinate_transformation_mode": "tf_crop_and_resize"}),
        ],
        "whole images only",
    ),
    "Concat again and again": (doublings(40), "asks for more"),
    "Concat of nothing for ever": (
        [
            ("Slice", ["x", "first", "first", "first"], {}),
            *[("Concat", ["#", "#"], {"axis": 2})] * 60,
        ],
        "impossible dimensions",
    ),
    "pads of a pool": (
        [("AveragePool", ["x"], {"kernel_shape": [1, 1], "pads": [1 << 20] * 4})],
        "asks for more",
    ),
    "pads of a convolution": ([("Conv", ["x", "kernel"], {"pads": [1 << 15] * 4})], "asks for more"),
    "padding by name": ([("Conv", ["x", "kernel"], {"auto_pad": "SAME_UPPER"})], "auto_pad"),
    "stride of nothing": ([("Conv", ["x", "kernel"], {"strides": [0, 1]})], "impossible size"),
    "kernel beyond the image": ([("MaxPool", ["x"], {"kernel_shape": [99, 99]})], "impossible dimensions"),
    "patches of a large kernel": ([("Conv", ["x", "huge"], {"pads": [1500] * 4})], "asks for more"),
    "a batch that is forgotten": (
        [constant([1, 3, 96, 1]), ("Reshape", ["x", "#"], {})],
        "as many elements",
    ),
    "the square of the batch": (
        [
            ("ReduceMax", ["x", "axes"], {"keepdims": 0}),
            ("Transpose", ["#"], {}),
            ("MatMul", ["v0", "#"], {}),
        ],
        "square of the images",
    ),
    "a size that is computed": (
        [
            ("ReduceMax", ["x"], {"keepdims": 0}),
            ("Cast", ["#"], {"to": TensorProto.INT64}),
            ("Unsqueeze", ["#", "nought1"], {}),
            ("Expand", ["one", "#"], {}),
        ],
        "no constant in the graph",
    ),
    "a size that wraps in a cast": (
        [constant([1 << 8]), ("Cast", ["#"], {"to": TensorProto.INT8}), ("Expand", ["one", "#"], {})],
        "no constant in the graph",
    ),
    "a batch that is folded away": ([("Flatten", ["x"], {"axis": 2})], "merges the images"),
    "a constant in another form": ([("Constant", [], {"value_int": 3})], "as tensors"),
    "more outputs than there are": (
        [("MaxPool", ["x"], {"kernel_shape": [1, 1], "outputs": 2})],
        "more outputs",
    ),
}


@pytest.mark.parametrize("case", GREEDY)
def test_what_cannot_be_sized_or_is_too_large_is_refused_at_once(case: str) -> None:
    nodes, says = GREEDY[case]
    start = time.perf_counter()
    with pytest.raises(pliant.SuiteError, match=says) as caught:
        weightless(model(nodes))
    assert time.perf_counter() - start < 1
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
