"""Graph rewrites that compute the same in less time, each for what was seen in a profile of onnxruntime on a CPU.

As those of cleaning.py, each takes an `onnx_ir.Graph` and changes it in place.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..runtime.graphs.graph_tensors import MAX_INLINE
from .rewriting import constant, replace

FEW = 5
"""Channels that are resized faster one by one than in a block of sixteen."""


def resize_few_channels_plainly(graph: ir.Graph) -> None:
    """Raw outputs of few channels are resized as they are, not in blocks of which most is padding.

    onnxruntime computes convolutions in blocks of 8 or 16 channels, and what follows them too where it can: to resize
    the one channel of a depth head from 32x40 to 128x160 took 157 us, with two operators between that only change the
    shape 54 us; with three channels 160 and 110 us, with five the same (at 512x640 3.7 and 2.6 ms), with seven it
    would be slower (one thread of an AMD EPYC).
    """
    for node in list(graph):
        source = node.inputs[0] if node.op_type == "Resize" else None
        made = source.producer() if source is not None else None
        if source is None or made is None or made.op_type != "Conv" or source.shape is None:
            continue
        channels = source.shape[1]
        if not isinstance(channels, int) or channels > FEW:
            continue
        axis = constant(graph, f"{source.name}_axis", np.zeros(1, np.int64))
        about = dict(node.metadata_props)
        apart = ir.node("Unsqueeze", [source, axis], metadata_props=about)
        back = ir.node("Squeeze", [apart.outputs[0], axis], metadata_props=about)
        graph.insert_before(node, [apart, back])
        back.outputs[0].shape, back.outputs[0].type = source.shape, source.type
        node.replace_input_with(0, back.outputs[0])


def add_channels_by_product(graph: ir.Graph) -> None:
    """A sum over few channels becomes a product with a row of ones, which vectorizes where adding across them does not.

    The lengths of normals at 128x160 took 123 us decoded by a ReduceSum, 73 us by a MatMul.
    """
    for node in list(graph):
        source = node.inputs[0] if node.op_type == "ReduceSum" else None
        if source is None or source.shape is None or len(source.shape) != 4 or not _over_channels(node):
            continue
        channels, height, width = source.shape[1], source.shape[2], source.shape[3]
        if not isinstance(channels, int) or channels > FEW or not isinstance(height, int) or not isinstance(width, int):
            continue
        about = dict(node.metadata_props)
        ones = constant(graph, f"{node.outputs[0].name}_ones", np.ones((1, channels), np.float32))
        flat = _reshaped(graph, source, [0, channels, height * width], node, "flat")
        added = ir.node("MatMul", [ones, flat.outputs[0]], metadata_props=about)
        replace(graph, node, [flat, added, _reshaped(graph, added.outputs[0], [0, 1, height, width], node, "map")])


def _over_channels(node: ir.Node) -> bool:
    axes = node.inputs[1] if len(node.inputs) > 1 else None
    if axes is None or axes.const_value is None or node.attributes.get_int("keepdims", 1) != 1:
        return False
    return bool(axes.const_value.numpy().tolist() == [1])


def normalize_in_rows(graph: ir.Graph) -> None:
    """Images are normalized before they are transposed, some pixels a row: three channels alone fill no vector.

    An engine that moves the transpose behind the arithmetic, as onnxruntime does for int8, would otherwise multiply
    pixel by pixel: 0.46 of 7.5 ms of an int8 MobileNetV2 at 128x160.
    """
    for turn in list(graph):
        images = turn.inputs[0] if turn.op_type == "Transpose" else None
        cast = images.producer() if images is not None else None
        steps = _channelwise(turn)
        if cast is None or cast.op_type != "Cast" or cast.inputs[0] not in graph.inputs or not steps:
            continue
        shape = cast.inputs[0].shape if cast.inputs[0] is not None else None
        if shape is None or not all(isinstance(size, int) for size in shape[1:]):
            continue
        _, height, width, channels = shape
        _move_before(graph, turn, steps, int(height), int(width), int(channels))  # type: ignore[arg-type]


def _channelwise(turn: ir.Node) -> list[ir.Node]:
    """The arithmetic with a constant a channel that follows, one operator after the other."""
    steps: list[ir.Node] = []
    value = turn.outputs[0]
    while True:
        users = [use.node for use in value.uses()]
        if len(users) != 1 or users[0].op_type not in ("Mul", "Sub", "Add", "Div") or users[0].inputs[0] is not value:
            return steps
        constant = users[0].inputs[1]
        if constant is None or constant.const_value is None or constant.const_value.size not in (1, 3):
            return steps
        steps.append(users[0])
        value = users[0].outputs[0]


def _move_before(graph: ir.Graph, turn: ir.Node, steps: list[ir.Node], height: int, width: int, channels: int) -> None:
    pixels = next(count for count in range(MAX_INLINE // channels, 0, -1) if height * width % count == 0)
    last, value = steps[-1], turn.inputs[0]
    made = [_reshaped(graph, value, [0, height * width // pixels, pixels * channels], turn, "rows")]
    for step in steps:
        numbers = np.broadcast_to(step.inputs[1].const_value.numpy().ravel(), (channels,))  # type: ignore[union-attr]
        tiled = constant(graph, f"{step.outputs[0].name}_rows", np.tile(numbers, pixels))
        made.append(ir.node(step.op_type, [made[-1].outputs[0], tiled], metadata_props=dict(step.metadata_props)))
    made.append(_reshaped(graph, made[-1].outputs[0], [0, height, width, channels], turn, "images"))
    perm = list(turn.attributes["perm"].as_ints())
    made.append(ir.node("Transpose", [made[-1].outputs[0]], {"perm": perm}, metadata_props=dict(turn.metadata_props)))
    for step in (turn, *steps[:-1]):
        step.outputs[0].name = f"{step.outputs[0].name}_before"
    replace(graph, last, made)
    for step in reversed((turn, *steps[:-1])):
        graph.remove(step, safe=True)


def _reshaped(graph: ir.Graph, value: ir.Value | None, shape: list[int], like: ir.Node, name: str) -> ir.Node:
    wanted = constant(graph, f"{like.outputs[0].name}_{name}", np.array(shape, np.int64))
    return ir.node("Reshape", [value, wanted], metadata_props=dict(like.metadata_props))


FASTER = (normalize_in_rows, resize_few_channels_plainly, add_channels_by_product)
