"""NVIDIA's own parser and builder, by TensorRT for RTX: they come in a wheel and need no GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclass(frozen=True)
class Seen:
    """What the vendor made of a graph: its warnings and errors, the type of each layer, the size of the plan."""

    said: tuple[str, ...]
    precisions: dict[str, str]
    plan: int


def build(graph: bytes, arrays: Mapping[str, NDArray[Any]], capability: str = "8.6", batch: int = 4) -> Seen:
    """Parse a weightless graph, strongly typed, with its weights from memory, and build it for a GPU that is not here.

    Skips where TensorRT for RTX is not installed.
    """
    pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT for RTX is not installed")
    import tensorrt_rtx_bindings as trt

    said: list[str] = []

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.WARNING:
                said.append(message)

    logger = Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    parser.load_model_proto(graph)
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    for name, array in kept.items():
        assert parser.load_initializer(name, array.ctypes.data, array.nbytes), name
    if not parser.parse_model_proto():
        problems = [parser.get_error(index) for index in range(parser.num_errors)]
        return Seen((*said, *(f"{each.node_name()}: {each.desc()}" for each in problems)), {}, 0)
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, "SM" + capability.replace(".", "")), 0)
    profile = builder.create_optimization_profile()
    images = network.get_input(0)
    profile.set_shape(images.name, *((count, *tuple(images.shape)[1:]) for count in (1, 1, batch)))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    return Seen(tuple(said), _precisions(network, trt), 0 if plan is None else plan.nbytes)


def _precisions(network: Any, trt: Any) -> dict[str, str]:
    """Of each layer with weights: int8 where all that it computes with comes out of a DQ, else its weights' type."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    makers = {layer.get_output(0).name: layer for layer in layers if layer.num_outputs}
    types = {trt.DataType.FLOAT: "fp32", trt.DataType.HALF: "fp16"}
    found = {}
    for layer in layers:
        if layer.type not in (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY):
            continue
        inputs = [layer.get_input(index) for index in range(min(2, layer.num_inputs))]
        made = [makers.get(each.name) for each in inputs if each is not None]
        integer = len(made) == 2 and all(each is not None and each.type == trt.LayerType.DEQUANTIZE for each in made)
        found[layer.name] = "int8" if integer else types.get(layer.get_output(0).dtype, str(layer.get_output(0).dtype))
    return found
