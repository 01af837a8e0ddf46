"""What a network, and the engine built of it, say of their precision: what the graph asked for, not silently fp32."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...devices.errors import EngineUnavailable

if TYPE_CHECKING:
    from .execution import EngineSession

# Versions write `Int8`, or `Thirty-two wide channel vectorized row major Int8 format`.
_TYPES = {
    "int8": re.compile("(?<!u)int8", re.I),
    "fp16": re.compile("fp16|half", re.I),
    "fp32": re.compile("fp32|float", re.I),
}


def layer_precisions(network: Any, trt: Any) -> dict[str, str]:
    """Of each layer with weights: int8 where all that it computes with comes out of a DQ, else its result's type."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    makers = {layer.get_output(0).name: layer for layer in layers if layer.num_outputs}
    types = {trt.DataType.FLOAT: "fp32", trt.DataType.HALF: "fp16"}
    found = {}
    for layer in layers:
        # Layers with weights are named as their module; what decodes has a product too.
        if layer.type not in (trt.LayerType.CONVOLUTION, trt.LayerType.MATRIX_MULTIPLY) or "/" in layer.name:
            continue
        inputs = [layer.get_input(index) for index in range(min(2, layer.num_inputs))]
        made = [makers.get(each.name) for each in inputs if each is not None]
        integer = len(made) == 2 and all(each is not None and each.type == trt.LayerType.DEQUANTIZE for each in made)
        found[layer.name] = "int8" if integer else types.get(layer.get_output(0).dtype, str(layer.get_output(0).dtype))
    return found


def inspected(trt: Any, session: EngineSession) -> dict[str, int]:
    """How many tensors between an engine's layers are of which type; empty where it does not tell.

    Images and outputs do not count: they are what they are in every precision.
    """
    text = session.engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        layers = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError):
        return {}
    found: Counter[str] = Counter()
    for layer in layers if isinstance(layers, list) else []:
        # Where an engine was built without details, a layer is its name.
        tensors = [*layer.get("Inputs", []), *layer.get("Outputs", [])] if isinstance(layer, dict) else []
        for tensor in tensors:
            inner = isinstance(tensor, dict) and tensor.get("Name") not in session.names
            told = str(tensor.get("Format/Datatype", "")) if inner else ""
            found.update(name for name, pattern in _TYPES.items() if pattern.search(told))
    return dict(found)


def check_inspected(trt: Any, session: EngineSession, promised: Mapping[str, int], what: str) -> None:
    """EngineUnavailable where a precision that the graph has is nowhere in the engine, although it tells its types."""
    found = inspected(trt, session)
    missing = [name for name in promised if found and name not in found]
    if missing:
        told = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
        raise EngineUnavailable(f"{what} was to compute in {missing[0]}, but has tensors of {told} only: not kept")
