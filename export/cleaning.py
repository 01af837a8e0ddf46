"""Graph rewrites that take out what the exporter adds, above all what depends on channel counts.

Each takes an `onnx_ir.Graph` and changes it in place.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .rewriting import replace


def drop_zero_biases(graph: ir.Graph) -> None:
    """Convolutions without a bias are exported with one of zeros, of as many elements as channels."""
    for node in graph:
        if node.op_type == "Conv" and len(node.inputs) == 3 and _is_zero_constant(node.inputs[2]):
            node.replace_input_with(2, None)
            node.resize_inputs(2)


def _is_zero_constant(value: ir.Value | None) -> bool:
    if value is None or value.const_value is None:
        return False
    # A parameter that happens to be zero is a parameter still: those have a module path for a name.
    return not _is_module_path(value.name) and not np.any(value.const_value.numpy())


def _is_module_path(name: str | None) -> bool:
    return name is not None and "." in name


def resize_by_scale(graph: ir.Graph) -> None:
    """Resizes to a size concatenated at run time become resizes by a constant scale, where that is exact."""
    for node in list(graph):
        if node.op_type != "Resize":
            continue
        source, target = node.inputs[0], node.outputs[0]
        scales = _exact_scales(source.shape, target.shape) if source is not None else None
        if scales is None:
            continue
        constant = ir.Value(name=f"{target.name}_scales", const_value=ir.tensor(scales))
        constant.shape, constant.dtype = ir.Shape([4]), ir.DataType.FLOAT
        graph.register_initializer(constant)
        node.replace_input_with(2, constant)
        node.replace_input_with(3, None)
        node.resize_inputs(3)


def _exact_scales(source: ir.Shape | None, target: ir.Shape | None) -> np.ndarray | None:
    """float32 (4,) scales of an NCHW resize, or None where rounding could change the size."""
    if source is None or target is None or len(source) != 4:
        return None
    sizes = []
    for axis in (2, 3):
        before, after = source[axis], target[axis]
        if not isinstance(before, int) or not isinstance(after, int):
            return None
        sizes.append((before, after))
    scales = np.array([1, 1, *(after / before for before, after in sizes)], dtype=np.float32)
    exact = all(float(scale) * before == after for scale, (before, after) in zip(scales[2:], sizes, strict=True))
    return scales if exact else None


def pool_globally(graph: ir.Graph) -> None:
    """A mean over height and width is a global average pooling, which engines know in int8 too."""
    for node in list(graph):
        if node.op_type != "ReduceMean" or not _is_spatial(node):
            continue
        source = node.inputs[0]
        keep = node.attributes.get_int("keepdims", 1)
        pool = ir.node("GlobalAveragePool", [source], metadata_props=dict(node.metadata_props))
        replace(graph, node, [pool] if keep else [pool, _flatten(pool, node)])


def _flatten(pool: ir.Node, mean: ir.Node) -> ir.Node:
    return ir.node("Flatten", [pool.outputs[0]], {"axis": 1}, metadata_props=dict(mean.metadata_props))


def _is_spatial(node: ir.Node) -> bool:
    source, axes = node.inputs[0], node.inputs[1] if len(node.inputs) > 1 else None
    if source is None or source.shape is None or len(source.shape) != 4 or axes is None or axes.const_value is None:
        return False
    return sorted(int(axis) % 4 for axis in axes.const_value.numpy()) == [2, 3]


def flatten_plainly(graph: ir.Graph) -> None:
    """A reshape of (N, C, 1, 1) to (N, C), with its shape computed at run time, is a flatten."""
    for node in list(graph):
        source, target = node.inputs[0] if node.inputs else None, node.outputs[0]
        if node.op_type != "Reshape" or source is None or source.shape is None or target.shape is None:
            continue
        if len(source.shape) != 4 or len(target.shape) != 2 or list(source.shape)[1:] != [target.shape[1], 1, 1]:
            continue
        replace(graph, node, [ir.node("Flatten", [source], {"axis": 1}, metadata_props=dict(node.metadata_props))])


def cast_first(graph: ir.Graph) -> None:
    """The input is cast before it is transposed: TensorRT refuses to transpose uint8."""
    for node in list(graph):
        transpose = node.inputs[0].producer() if node.op_type == "Cast" and node.inputs[0] is not None else None
        if transpose is None or transpose.op_type != "Transpose" or transpose.inputs[0] not in graph.inputs:
            continue
        source = transpose.inputs[0]
        cast = ir.node(
            "Cast", [source], {"to": node.attributes.get_int("to")}, metadata_props=dict(node.metadata_props)
        )
        cast.outputs[0].type = node.outputs[0].type
        turned = ir.node(
            "Transpose",
            [cast.outputs[0]],
            {"perm": list(transpose.attributes["perm"].as_ints())},
            metadata_props=dict(transpose.metadata_props),
        )
        replace(graph, node, [cast, turned])


CLEANING = (drop_zero_biases, resize_by_scale, pool_globally, flatten_plainly, cast_first)
