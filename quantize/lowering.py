"""From an fp32 graph to the int8 graph that onnxruntime runs fast on CPUs: Q/DQ pairs, uint8 activations, int8 weights.

Where the pairs sit decides: after the activation, never between convolution and ReLU, and on both inputs of an
addition, so that onnxruntime fuses DQ -> operator -> Q into its integer kernels. Batch norm of a quantized
convolution is folded (its arrays are computed per subnet in `arrays`); layers that stay in fp32 keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from ..runtime.graph_tensors import LOCATION
from .policy import Policy

INTEGER_OPERATORS = ("Conv", "Add", "Concat", "MaxPool", "Resize", "GlobalAveragePool", "AveragePool")
"""Operators that onnxruntime runs on uint8 activations, from Q/DQ pairs."""

_KEEPS_RANGE = ("MaxPool", "Resize")
_LAYERS = ("Conv", "Gemm")


@dataclass(frozen=True)
class QuantizedLayer:
    """A convolution in int8: names of its node, parameters, input tensor, and of the batch norm folded into it."""

    name: str
    weight: str
    bias: str | None
    norm: str | None
    epsilon: float
    input: str


@dataclass(frozen=True)
class Lowered:
    """An int8 graph (weightless, widest), its layers, and its quantized tensors.

    `tensors` maps each quantized tensor to the one whose range it uses (pooling and resizing keep their input's).
    `precision` is the policy's name.
    """

    model: onnx.ModelProto
    layers: tuple[QuantizedLayer, ...]
    tensors: dict[str, str]
    precision: str = "int8"

    @property
    def ranged(self) -> tuple[str, ...]:
        """Tensors that need a range of their own; they have the same names in the fp32 graph."""
        return tuple(sorted(set(self.tensors.values())))


def lower(template: onnx.ModelProto, policy: Policy) -> Lowered:
    """The int8 form of a weightless fp32 graph. Raises QuantizeError where the policy names unknown layers."""
    model = ir.serde.deserialize_model(template)
    graph = model.graph
    policy.check(node.name or "" for node in graph if node.op_type in _LAYERS)
    chosen = _choose(graph, policy)
    layers = [_fold(graph, node) for node in chosen if node.op_type == "Conv"]
    values = _activations(graph, chosen)
    tensors = {value.name or "": _range_of(value, values).name or "" for value in values}
    inputs = {node.name: (node.inputs[0].name if node.inputs[0] is not None else "") for node in chosen}
    for value in values:
        _insert_pair(graph, value)
    for layer, node in zip(layers, (node for node in chosen if node.op_type == "Conv"), strict=True):
        _dequantize_parameters(graph, node, layer)
    graph.sort()
    found = tuple(
        QuantizedLayer(layer.name, layer.weight, layer.bias, layer.norm, layer.epsilon, inputs[layer.name] or "")
        for layer in layers
    )
    return Lowered(_serialize(model), found, tensors, policy.name)


def _choose(graph: ir.Graph, policy: Policy) -> list[ir.Node]:
    """Nodes to run on integers: between the normalized input and each head's last layer, but for exclusions."""
    tail = _tail(graph, policy)
    feeding = _ancestors([node for node in graph if node.op_type in _LAYERS])
    return [
        node
        for node in graph
        if node.op_type in INTEGER_OPERATORS
        and node not in tail
        and node in feeding
        and not policy.excludes(node.name or "")
        and all(value is not None and not value.is_initializer() for value in _reads(node))
    ]


def _tail(graph: ir.Graph, policy: Policy) -> set[ir.Node]:
    """The last layer before each output (unless heads are quantized too), and all that follows it."""
    heads = {_last_layer(output.producer()) for output in graph.outputs}
    tail: set[ir.Node] = set()
    for node in graph:
        is_head = node in heads
        if (is_head and not policy.heads) or any(
            source is not None and (source in tail or (source in heads and policy.heads))
            for source in (value.producer() for value in node.inputs if value is not None)
        ):
            tail.add(node)
    return tail


def _last_layer(node: ir.Node | None) -> ir.Node | None:
    while node is not None and node.op_type not in _LAYERS:
        node = next((value.producer() for value in node.inputs if value is not None and value.producer()), None)
    return node


def _ancestors(nodes: list[ir.Node]) -> set[ir.Node]:
    found, waiting = set(nodes), list(nodes)
    while waiting:
        for value in waiting.pop().inputs:
            source = value.producer() if value is not None else None
            if source is not None and source not in found:
                found.add(source)
                waiting.append(source)
    return found


def _reads(node: ir.Node) -> tuple[ir.Value | None, ...]:
    """The activations among a node's inputs."""
    return tuple(node.inputs) if node.op_type in ("Add", "Concat") else tuple(node.inputs[:1])


def _fold(graph: ir.Graph, node: ir.Node) -> QuantizedLayer:
    """Take the batch norm after a convolution out of the graph; the convolution's output takes its name."""
    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    output = node.outputs[0]
    users = [use.node for use in output.uses()]
    norm = users[0] if len(users) == 1 and users[0].op_type == "BatchNormalization" else None
    if norm is not None:
        replaced = norm.outputs[0]
        ir.convenience.replace_all_uses_with(replaced, output, replace_graph_outputs=True)
        _forget(graph, norm)
        graph.remove(norm, safe=True)
        output.name = replaced.name
    assert weight is not None
    return QuantizedLayer(
        node.name or "",
        weight.name or "",
        bias.name if bias is not None else None,
        norm.name if norm is not None else None,
        norm.attributes.get_float("epsilon", 1e-5) if norm is not None else 0.0,
        "",
    )


def _forget(graph: ir.Graph, norm: ir.Node) -> None:
    """Take a batch norm's vectors out of the graph: onnxruntime would not find the unused ones again."""
    for value in norm.inputs[1:]:
        if value is not None and value.name is not None:
            graph.initializers.pop(value.name, None)


def _activations(graph: ir.Graph, nodes: list[ir.Node]) -> list[ir.Value]:
    """What the nodes read and make, each once, in order; without a Q after it an operator is not fused."""
    found: dict[ir.Value, None] = {}
    for node in nodes:
        found.update(dict.fromkeys(value for value in _reads(node) if value is not None))
        found[_activated(node.outputs[0])] = None
    return [value for value in found if value not in graph.outputs]


def _activated(value: ir.Value) -> ir.Value:
    """The value after the activation that follows, where one does."""
    users = [use.node for use in value.uses()]
    if len(users) == 1 and users[0].op_type in ("Relu", "Clip"):
        return users[0].outputs[0]
    return value


def _range_of(value: ir.Value, values: list[ir.Value]) -> ir.Value:
    """The quantized tensor that has the same range: pooling and resizing do not leave their input's."""
    source = value.producer()
    if source is None or source.op_type not in _KEEPS_RANGE or source.inputs[0] not in values:
        return value
    return _range_of(source.inputs[0], values)


def _insert_pair(graph: ir.Graph, value: ir.Value) -> None:
    """value -> Q -> DQ -> all that read value."""
    users = list(value.uses())
    scale = _initializer(graph, f"{value.name}/scale", ir.DataType.FLOAT, ())
    zero = _initializer(graph, f"{value.name}/zero_point", ir.DataType.UINT8, ())
    quantize = ir.node("QuantizeLinear", [value, scale, zero], name=f"{value.name}/Quantize")
    quantize.outputs[0].name = f"{value.name}/quantized"
    restore = ir.node("DequantizeLinear", [quantize.outputs[0], scale, zero], name=f"{value.name}/Dequantize")
    restore.outputs[0].name = f"{value.name}/dequantized"
    graph.extend([quantize, restore])
    for user, index in users:
        user.replace_input_with(index, restore.outputs[0])


def _dequantize_parameters(graph: ir.Graph, node: ir.Node, layer: QuantizedLayer) -> None:
    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    if weight is None or weight.shape is None:
        return
    channels = int(weight.shape[0])  # type: ignore[arg-type]
    shape = tuple(int(size) for size in weight.shape)  # type: ignore[arg-type]
    graph.initializers.pop(layer.weight)
    if bias is not None and layer.bias is not None:
        graph.initializers.pop(layer.bias)
    integers = _initializer(graph, layer.weight, ir.DataType.INT8, shape)
    scale = _initializer(graph, f"{layer.name}/weight_scale", ir.DataType.FLOAT, (channels,))
    whole = _initializer(graph, f"{layer.name}/bias", ir.DataType.INT32, (channels,))
    bias_scale = _initializer(graph, f"{layer.name}/bias_scale", ir.DataType.FLOAT, (channels,))
    restored = [
        ir.node("DequantizeLinear", [integers, scale], {"axis": 0}, name=f"{layer.name}/DequantizeWeight"),
        ir.node("DequantizeLinear", [whole, bias_scale], {"axis": 0}, name=f"{layer.name}/DequantizeBias"),
    ]
    restored[0].outputs[0].name = f"{layer.weight}/dequantized"
    restored[1].outputs[0].name = f"{layer.name}/bias/dequantized"
    graph.extend(restored)
    node.resize_inputs(3)
    node.replace_input_with(1, restored[0].outputs[0])
    node.replace_input_with(2, restored[1].outputs[0])


def _initializer(graph: ir.Graph, name: str, dtype: ir.DataType, shape: tuple[int, ...]) -> ir.Value:
    """An external initializer of the graph."""
    tensor = ir.ExternalTensor(LOCATION, 0, 0, dtype, shape=ir.Shape(shape), name=name)
    value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def _serialize(model: ir.Model) -> onnx.ModelProto:
    proto = ir.serde.serialize_model(model)
    del proto.graph.value_info[:]
    for tensor in proto.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            del tensor.external_data[:]
            tensor.external_data.add(key="location", value=LOCATION)
    return proto


def external_names(model: onnx.ModelProto) -> Iterator[str]:
    """Names of the initializers that are fed from outside."""
    return (tensor.name for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL)
