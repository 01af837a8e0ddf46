"""Activation ranges of a subnet: its own fp32 graph, run by onnxruntime on calibration images.

Each tensor is reduced to one least and one greatest value an image inside the graph, so that nothing large is copied
out and a subnet costs what its forward passes cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..devices.errors import QuantizeError
from ..runtime.engine import create_session
from ..runtime.graphs.graph import parse_graph
from .ranges import Channels, Extremes, Range, find_ranges, merge_extremes

Images = NDArray[np.uint8]


def calibrate(
    model: onnx.ModelProto,
    arrays: Mapping[str, NDArray[Any]],
    tensors: Sequence[str],
    batches: Sequence[Images],
    by_channel: Sequence[str] = (),
) -> dict[str, Range]:
    """Ranges of the named tensors of a weightless fp32 graph; batches are uint8 (N, H, W, 3).

    Of those that are `by_channel` too, maps of (N, C, H, W), what is to be known of each channel.
    Raises QuantizeError without images, with images of one constant, and where values are not finite.
    """
    if not tensors:  # all in floats
        return {}
    if any(batch.size for batch in batches) and all(batch.min() == batch.max() for batch in batches):
        raise QuantizeError("the calibration images are all one constant: give images that look like the real input")
    return find_ranges(merge_extremes(_observe(model, arrays, tensors, batches, by_channel)))


def _observe(
    model: onnx.ModelProto,
    arrays: Mapping[str, NDArray[Any]],
    tensors: Sequence[str],
    batches: Sequence[Images],
    by_channel: Sequence[str],
) -> Iterator[dict[str, Extremes]]:
    graph = parse_graph(tap(model, tensors, by_channel).SerializeToString())
    graph = graph.pruned(graph.outputs)
    fed = {item.name: arrays[item.name] for item in graph.external()}
    session = create_session(graph.to_bytes(), fed, "cpu", None, "the calibration graph")
    for batch in batches:
        found = iter(session.run(None, {"images": batch}))
        extremes = {name: Extremes(next(found), next(found)) for name in tensors}
        for name in by_channel:
            extremes[name] = extremes[name]._replace(channels=Channels(next(found), next(found)))
        yield extremes


def tap(model: onnx.ModelProto, tensors: Sequence[str], by_channel: Sequence[str] = ()) -> onnx.ModelProto:
    """The graph with two outputs a tensor, its least and greatest value per image (N,), in place of its own outputs.

    After them, two for each that is `by_channel`: the greatest value of each channel over the batch (C,), and the mean
    of the batch (C, H, W).
    """
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    graph = tapped.graph
    del graph.output[:]
    for index, tensor in enumerate(tensors):
        flat = f"tap/{index}"
        graph.node.append(onnx.helper.make_node("Flatten", [tensor], [flat], axis=1))
        for operator in ("ReduceMin", "ReduceMax"):
            name = f"{flat}/{operator}"
            graph.node.append(onnx.helper.make_node(operator, [flat, "tap/axes"], [name], keepdims=0))
            graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N"]))
    for index, tensor in enumerate(by_channel):
        for operator, axes, shape in (
            ("ReduceMax", "tap/places", ["C"]),
            ("ReduceMean", "tap/images", ["C", "H", "W"]),
        ):
            name = f"tap/channels/{index}/{operator}"
            graph.node.append(onnx.helper.make_node(operator, [tensor, axes], [name], keepdims=0))
            graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    for name, places in (("tap/axes", [1]), ("tap/places", [0, 2, 3]), ("tap/images", [0])):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(places, np.int64), name))
    return tapped
