"""Changes of ONNX graphs: sizes, names, operators, attributes, and what no suite may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
from onnx import AttributeProto, helper

from pliant.runtime.graphs.operators import RULES

from ..attacks.graphs import GRAPHS
from .choices import Choices

_SIZES = (0, 1, 2, 3, 8, 64, 65, 1 << 16, 1 << 31, (1 << 31) + 1, 1 << 62, -1, -(1 << 62))
_OPERATORS = (*sorted(RULES), "Loop", "If", "Scan", "StringSplit", "Einsum", "Tile", "NonZero", "Range")


def changed(data: bytes, choices: Choices) -> bytes:
    """The graph with one to four changes."""
    model = onnx.load_from_string(data)
    for _ in range(1 + choices.below(4)):
        choices.of(_CHANGES)(model, choices)
    made: bytes = model.SerializeToString()
    return made


def _dimensions(model: onnx.ModelProto, choices: Choices) -> None:
    item = choices.of(model.graph.initializer)
    if item.dims and choices.below(4):
        item.dims[choices.below(len(item.dims))] = choices.of(_SIZES)
    else:
        item.dims.append(choices.of(_SIZES))


def _output(model: onnx.ModelProto, choices: Choices) -> None:
    value = choices.of([*model.graph.output, *model.graph.input])
    dims = value.type.tensor_type.shape.dim
    dim = choices.of(dims) if dims and choices.below(4) else dims.add()
    dim.dim_value = choices.of(_SIZES)


def _operator(model: onnx.ModelProto, choices: Choices) -> None:
    choices.of(model.graph.node).op_type = choices.of(_OPERATORS)


def _attribute(model: onnx.ModelProto, choices: Choices) -> None:
    node = choices.of(model.graph.node)
    if not node.attribute:
        name = choices.of(
            ("axis", "axes", "perm", "pads", "strides", "kernel_shape", "group", "to", "mode", "blocksize")
        )
        node.attribute.append(helper.make_attribute(name, choices.of(_SIZES)))
        return
    attribute = choices.of(node.attribute)
    if attribute.type == AttributeProto.INTS and attribute.ints and choices.below(4):
        attribute.ints[choices.below(len(attribute.ints))] = choices.of(_SIZES)
    elif attribute.type == AttributeProto.INT and choices.below(4):
        attribute.i = choices.of(_SIZES)
    else:
        attribute.type = choices.below(16)


def _constant(model: onnx.ModelProto, choices: Choices) -> None:
    """Numbers of an inline constant: axes, sizes, pads."""
    inline = [item for item in model.graph.initializer if item.raw_data]
    if inline:
        item = choices.of(inline)
        raw = bytearray(item.raw_data)
        raw[choices.below(len(raw))] = choices.below(256)
        item.raw_data = bytes(raw)


def _rewire(model: onnx.ModelProto, choices: Choices) -> None:
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    node = choices.of(model.graph.node)
    ends: Any = node.output if choices.below(4) == 3 else node.input
    if ends:
        ends[choices.below(len(ends))] = choices.of(names)


def _move(model: onnx.ModelProto, choices: Choices) -> None:
    nodes = model.graph.node
    node = nodes.pop(choices.below(len(nodes)))
    if choices.below(4):
        nodes.insert(choices.below(len(nodes) + 1), node)


def _twice(model: onnx.ModelProto, choices: Choices) -> None:
    nodes = model.graph.node
    copy = onnx.NodeProto()
    copy.CopyFrom(choices.of(nodes))
    for index, name in enumerate(copy.output):
        copy.output[index] = f"{name}/again"
    nodes.append(copy)


def _kind(model: onnx.ModelProto, choices: Choices) -> None:
    choices.of(model.graph.initializer).data_type = choices.below(24)


def _attacked(model: onnx.ModelProto, choices: Choices) -> None:
    choices.of(GRAPHS)[0](model)


_CHANGES: tuple[Callable[[onnx.ModelProto, Choices], None], ...] = (
    _dimensions,
    _output,
    _operator,
    _attribute,
    _constant,
    _rewire,
    _move,
    _twice,
    _kind,
    _attacked,
)
