"""From an fp32 graph to an engine's int8 graph: Q/DQ pairs on activations, int8 weights, as its dialect spells them.

Where the pairs sit decides what an engine fuses (placement.py). Batch norm of a quantized convolution is folded (its
arrays are computed per subnet in `arrays`); layers that stay in floats keep theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from ..devices.dialect import Dialect
from ..runtime.graphs.graph_tensors import LOCATION
from .apart import keep_apart
from .equalize import Pair, find_pairs
from .halves import halve
from .placement import integer_nodes, maker, rounded_values
from .policy import Policy
from .weights import Window

_TYPES = {"uint8": ir.DataType.UINT8, "int8": ir.DataType.INT8}
ZERO = "constant/zero_point"


@dataclass(frozen=True)
class QuantizedLayer:
    """A convolution in int8: names of its node, parameters, input tensor, and of the batch norm folded into it.

    `integers` is its weight's name in int8: another graph of the same subnet may have it in floats.
    """

    name: str
    weight: str
    bias: str | None
    norm: str | None
    epsilon: float
    input: str
    window: Window

    @property
    def integers(self) -> str:
        """`int8/` and the weight's own name, as the tensor that a suite stores."""
        return f"int8/{self.weight}"


@dataclass(frozen=True)
class Lowered:
    """An int8 graph (weightless, widest), its layers, and its quantized tensors.

    `tensors` maps each quantized tensor to the one whose range it uses (pooling and resizing keep their input's).
    `halves` are the layers in fp16, by name; `pairs` are those whose channels are equalized between them.
    """

    model: onnx.ModelProto
    layers: tuple[QuantizedLayer, ...]
    tensors: dict[str, str]
    policy: Policy
    dialect: Dialect
    halves: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()

    @property
    def precision(self) -> str:
        """The policy's name."""
        return self.policy.name

    @property
    def reduced(self) -> tuple[str, ...]:
        """Names of the layers below fp32."""
        return (*(layer.name for layer in self.layers), *self.halves)

    @property
    def ranged(self) -> tuple[str, ...]:
        """Tensors that calibration must see; they have the same names in the fp32 graph."""
        return tuple(sorted({*self.tensors.values(), *self.by_channel}))

    @property
    def by_channel(self) -> tuple[str, ...]:
        """Those of them whose channels are wanted too: what the layers read."""
        return tuple(sorted({layer.input for layer in self.layers}))


def lower(template: onnx.ModelProto, policy: Policy, dialect: Dialect) -> Lowered:
    """The form of a weightless fp32 graph that a policy asks for and an engine takes.

    Raises QuantizeError where the policy names unknown layers, or a precision that the engine has not for a layer.
    """
    model = ir.serde.deserialize_model(template)
    graph = model.graph
    nodes = integer_nodes(graph, policy, dialect)
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    layers = [_fold(graph, node) for node in convolutions]
    pairs = find_pairs(convolutions)
    values = rounded_values(graph, nodes, dialect)
    tensors = {value.name or "": source.name or "" for value, source in values.items()}
    for value in values:
        _insert_pair(graph, value, dialect, nodes)
    for layer, node in zip(layers, convolutions, strict=True):
        _dequantize_parameters(graph, node, layer, dialect)
    if dialect.adopts:
        keep_apart(graph, nodes)
    graph.sort()
    halves = halve(graph, policy, nodes)
    return Lowered(_serialize(model), tuple(layers), tensors, policy, dialect, tuple(halves), pairs)


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
        (node.inputs[0].name or "") if node.inputs[0] is not None else "",
        _window(node),
    )


def _window(node: ir.Node) -> Window:
    top, left, bottom, right = node.attributes.get_ints("pads", (0, 0, 0, 0))
    strides, dilations = (node.attributes.get_ints(name, (1, 1)) for name in ("strides", "dilations"))
    return Window((strides[0], strides[1]), (left, right, top, bottom), (dilations[0], dilations[1]))


def _forget(graph: ir.Graph, norm: ir.Node) -> None:
    """Take a batch norm's vectors out of the graph: onnxruntime would not find the unused ones again."""
    for value in norm.inputs[1:]:
        if value is not None and value.name is not None:
            graph.initializers.pop(value.name, None)


def _insert_pair(graph: ir.Graph, value: ir.Value, dialect: Dialect, integers: list[ir.Node]) -> None:
    """value -> Q -> DQ -> what reads it as integers.

    What reads it as floats does so too where an engine wants results rounded: with a second reader the operator that
    makes the value would not be fused.
    """
    rounded = dialect.results and maker(value) in integers
    users = [(node, index) for node, index in value.uses() if rounded or node in integers]
    scale = _initializer(graph, scale_name(value.name or "", dialect), ir.DataType.FLOAT, ())
    zero = _zero_point(graph, value, dialect)
    quantize = ir.node("QuantizeLinear", [value, scale, zero], name=f"{value.name}/Quantize")
    quantize.outputs[0].name = f"{value.name}/quantized"
    restore = ir.node("DequantizeLinear", [quantize.outputs[0], scale, zero], name=f"{value.name}/Dequantize")
    restore.outputs[0].name = f"{value.name}/dequantized"
    graph.extend([quantize, restore])
    for user, index in users:
        user.replace_input_with(index, restore.outputs[0])


def scale_name(tensor: str, dialect: Dialect) -> str:
    """What a tensor's scale is called: subnets of both kinds keep theirs side by side."""
    return f"{tensor}/{'symmetric_scale' if dialect.symmetric else 'scale'}"


def _zero_point(graph: ir.Graph, value: ir.Value, dialect: Dialect) -> ir.Value:
    """One of its own that is fed, or the 0 that stands in the graph for all."""
    kind = _TYPES[dialect.activations or "uint8"]
    if not dialect.symmetric:
        return _initializer(graph, f"{value.name}/zero_point", kind, ())
    if ZERO not in graph.initializers:
        tensor = ir.tensor(np.array(0, kind.numpy()), name=ZERO)
        shared = ir.Value(name=ZERO, shape=ir.Shape(()), type=ir.TensorType(kind), const_value=tensor)
        graph.register_initializer(shared)
    return graph.initializers[ZERO]


def _dequantize_parameters(graph: ir.Graph, node: ir.Node, layer: QuantizedLayer, dialect: Dialect) -> None:
    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    if weight is None or weight.shape is None:
        return
    shape = tuple(int(size) for size in weight.shape)  # type: ignore[arg-type]
    graph.initializers.pop(layer.weight)
    if bias is not None and layer.bias is not None:
        graph.initializers.pop(layer.bias)
    integers = _initializer(graph, layer.integers, ir.DataType.INT8, shape)
    node.resize_inputs(3)
    node.replace_input_with(
        1, _dequantized(graph, integers, f"{layer.name}/weight_scale", f"{layer.name}/DequantizeWeight")
    )
    if dialect.bias == "int32":
        whole = _initializer(graph, f"{layer.name}/bias", ir.DataType.INT32, shape[:1])
        found = _dequantized(graph, whole, f"{layer.name}/bias_scale", f"{layer.name}/DequantizeBias")
    else:
        found = _initializer(graph, f"{layer.name}/folded_bias", ir.DataType.FLOAT, shape[:1])
    node.replace_input_with(2, found)


def _dequantized(graph: ir.Graph, integers: ir.Value, scale: str, name: str) -> ir.Value:
    """Floats of a parameter in integers, with a scale for each output channel."""
    assert integers.shape is not None
    scales = _initializer(graph, scale, ir.DataType.FLOAT, (int(integers.shape[0]),))  # type: ignore[arg-type]
    restored = ir.node("DequantizeLinear", [integers, scales], {"axis": 0}, name=name)
    restored.outputs[0].name = f"{integers.name}/dequantized"
    graph.append(restored)
    return restored.outputs[0]


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
