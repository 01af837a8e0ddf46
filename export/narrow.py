"""From the template to any subnet's graph: other dimensions for the initializers, and nothing else.

That nothing else depends on channel counts is what `cleaning` takes care of, and what parity proves for every subnet.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from ..devices.errors import ExportError

Shapes = Mapping[str, tuple[int, ...]]


def narrow(template: onnx.ModelProto, shapes: Shapes) -> onnx.ModelProto:
    """The template with the external initializers of the given shapes, and groups of convolutions to match.

    `shapes` has every external initializer of the template; ExportError where one is missing or of another rank.
    """
    model = onnx.ModelProto()
    model.CopyFrom(template)
    wide = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.dims[:] = _shape(tensor, shapes)
    # A weight in int8 reaches its convolution through a DequantizeLinear, one in fp16 through a Cast.
    through = ("DequantizeLinear", "Cast")
    restored = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type in through}
    for node in model.graph.node:
        if node.op_type == "Conv":
            _regroup(node, restored.get(node.input[1], node.input[1]), wide, shapes)
    return model


def serialize(graph: onnx.ModelProto) -> bytes:
    """The bytes of a graph: same graph, same bytes."""
    return bytes(graph.SerializeToString(deterministic=True))


def _shape(tensor: onnx.TensorProto, shapes: Shapes) -> tuple[int, ...]:
    shape = shapes.get(tensor.name)
    if shape is None:
        raise ExportError(
            f"the graph needs {tensor.name!r}, which the subnet does not have: it was not made of slim layers"
        )
    if len(shape) != len(tensor.dims):
        raise ExportError(f"{tensor.name!r} has {len(shape)} axes in the subnet and {len(tensor.dims)} in the template")
    return shape


def _regroup(node: onnx.NodeProto, weight: str, wide: Shapes, shapes: Shapes) -> None:
    """A grouped convolution keeps the channels of a group and drops whole groups."""
    group = next((attribute for attribute in node.attribute if attribute.name == "group"), None)
    if group is None or group.i == 1 or weight not in shapes:
        return
    groups, rest = divmod(group.i * shapes[weight][0], wide[weight][0])
    if rest:
        raise ExportError(f"{node.name}: {shapes[weight][0]} channels split one of its {group.i} groups")
    group.i = groups
