"""What an int8 subnet has of its own: scales, zero points and biases, from its parameters and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .equalize import factors
from .lowering import Lowered, QuantizedLayer, scale_name
from .ranges import Range
from .weights import Norm, SharedWeight, folded_bias, folded_scales, quantize_bias, rounding_shift, share_weight

Arrays = Mapping[str, NDArray[Any]]
ONE = np.float32(1)


def share_weights(layers: tuple[QuantizedLayer, ...], parameters: Arrays) -> dict[str, SharedWeight]:
    """Int8 weights of the full width by parameter name, for all subnets."""
    return {
        layer.weight: share_weight(
            layer.weight, parameters[layer.weight], None if layer.norm is None else parameters[f"{layer.norm}.weight"]
        )
        for layer in layers
    }


def own_arrays(
    lowered: Lowered, shared: Mapping[str, SharedWeight], parameters: Arrays, ranges: Mapping[str, Range]
) -> dict[str, NDArray[Any]]:
    """The arrays of one subnet by initializer name; `parameters` are the subnet's own in fp32."""
    dialect, arrays = lowered.dialect, dict[str, NDArray[Any]]()
    for tensor, source in lowered.tensors.items():
        if dialect.symmetric:
            arrays[scale_name(tensor, dialect)] = np.array(ranges[source].symmetric())
            continue
        scale, zero = ranges[source].parameters()
        arrays[scale_name(tensor, dialect)], arrays[f"{tensor}/zero_point"] = np.array(scale), np.array(zero)
    made, read = factors(lowered.pairs, ranges)
    for layer in lowered.layers:
        norm, weight = read_norm(layer, parameters), parameters[layer.weight]
        own = shared[layer.weight].scales[: len(weight)]
        larger, smaller = made.get(layer.name, ONE), read.get(layer.name, ONE)
        bias = folded_bias(None if layer.bias is None else parameters[layer.bias], norm, len(weight))
        seen = ranges[layer.input].channels
        if seen is not None:
            bias = bias - rounding_shift(weight, own, seen.mean, layer.window) * (ONE if norm is None else norm.gain)
        bias, scales = bias * larger, folded_scales(own, norm) * larger / smaller
        if dialect.bias == "int32":
            step = float(arrays[scale_name(layer.input, dialect)])
            integers, bias_scales, scales = quantize_bias(bias, step, scales)
            arrays[f"{layer.name}/bias"], arrays[f"{layer.name}/bias_scale"] = integers, bias_scales
        else:
            arrays[f"{layer.name}/folded_bias"] = bias
        arrays[f"{layer.name}/weight_scale"] = scales
    return arrays


def read_norm(layer: QuantizedLayer, parameters: Arrays) -> Norm | None:
    """The batch norm that is folded into a layer."""
    if layer.norm is None:
        return None
    gamma, beta = parameters[f"{layer.norm}.weight"], parameters[f"{layer.norm}.bias"]
    mean, variance = parameters[f"{layer.norm}.running_mean"], parameters[f"{layer.norm}.running_var"]
    return Norm(gamma, beta, mean, variance, layer.epsilon)
