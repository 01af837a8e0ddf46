"""What a built engine says of itself: that it computes in what its graph asked for, and not silently in fp32."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...devices.errors import EngineUnavailable

# Versions write `Int8`, or `Thirty-two wide channel vectorized row major Int8 format`.
_TYPES = {
    "int8": re.compile("int8", re.I),
    "fp16": re.compile("fp16|half", re.I),
    "fp32": re.compile("fp32|float", re.I),
}


def inspected(trt: Any, engine: Any) -> dict[str, int]:
    """How many tensors between an engine's layers are of which type; empty where it does not tell."""
    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    try:
        layers = json.loads(text)["Layers"]
    except (ValueError, KeyError, TypeError):
        return {}
    found: Counter[str] = Counter()
    for layer in layers if isinstance(layers, list) else []:
        # Where an engine was built without details, a layer is its name.
        tensors = [*layer.get("Inputs", []), *layer.get("Outputs", [])] if isinstance(layer, dict) else []
        for tensor in tensors:
            told = str(tensor.get("Format/Datatype", "")) if isinstance(tensor, dict) else ""
            found.update(name for name, pattern in _TYPES.items() if pattern.search(told))
    return dict(found)


def check_inspected(trt: Any, engine: Any, promised: Mapping[str, int], what: str) -> None:
    """EngineUnavailable where a precision that the graph has is nowhere in the engine, although it tells its types."""
    found = inspected(trt, engine)
    missing = [name for name in promised if found and name not in found]
    if missing:
        told = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
        raise EngineUnavailable(f"{what} was to compute in {missing[0]}, but has tensors of {told} only: not kept")
