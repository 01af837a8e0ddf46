"""onnxruntime sessions from a weightless graph and arrays, for graphs that are not meant for a suite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from numpy.typing import NDArray

from ..devices.errors import QuantizeError
from .lowering import external_names


def open_session(model: onnx.ModelProto, arrays: Mapping[str, NDArray[Any]], threads: int = 0) -> Any:
    """A session on the CPU; `arrays` has every external initializer by name (0 threads: onnxruntime's choice)."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    names = list(external_names(model))
    options.add_external_initializers(names, [ort.OrtValue.ortvalue_from_numpy(arrays[name]) for name in names])
    try:
        return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except (ort.capi.onnxruntime_pybind11_state.Fail, RuntimeError) as error:
        raise QuantizeError(f"onnxruntime refuses the calibration graph: {str(error).splitlines()[0]}") from error
