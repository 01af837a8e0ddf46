"""Ranges of activations as others find them: a model file and images in, a lowest and a highest value by tensor out.

Each gives those of the tensors that it knows by name; the graph around them is not changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

Found = dict[str, tuple[float, float]]
Images = NDArray[np.uint8]


class _Reader:
    """One image after the other, as onnxruntime asks for them."""

    def __init__(self, images: Images):
        self._images = iter(images)

    def get_next(self) -> dict[str, Images] | None:
        image = next(self._images, None)
        return None if image is None else {"images": image[None]}


def by_onnxruntime(method: str) -> Callable[[Path, Images], Found]:
    """`onnxruntime.quantization.calibrate`, which optimum wraps; `method` as in its CalibrationMethod."""

    def find(model: Path, images: Images) -> Found:
        from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

        with tempfile.TemporaryDirectory() as folder:
            augmented = str(Path(folder) / "augmented.onnx")
            calibrator = create_calibrator(
                str(model), augmented_model_path=augmented, calibrate_method=getattr(CalibrationMethod, method)
            )
            # In parts: it keeps every tensor of all that it is given at once.
            for start in range(0, len(images), 8):
                calibrator.collect_data(_Reader(images[start : start + 8]))
            found = calibrator.compute_data().data
        return {
            name: (float(np.min(each.range_value[0])), float(np.max(each.range_value[1])))
            for name, each in found.items()
        }

    return find


def by_nncf(estimator: str | None) -> Callable[[Path, Images], Found]:
    """NNCF's post-training quantization, one scale a tensor; what its QuantizeLinear nodes were given.

    `estimator` is a name of its RangeEstimatorParametersSet, None for its default.
    """

    def find(model: Path, images: Images) -> Found:
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, QuantizationParameters
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        chosen = AdvancedQuantizationParameters(
            # Correcting biases changes the weights, not the ranges.
            disable_bias_correction=True,
            activations_quantization_params=QuantizationParameters(per_channel=False),
        )
        if estimator is not None:
            chosen.activations_range_estimator_params = getattr(RangeEstimatorParametersSet, estimator)
        data = nncf.Dataset([image[None] for image in images], lambda image: {"images": image})
        return _quantized(nncf.quantize(onnx.load(model), data, subset_size=len(images), advanced_parameters=chosen))

    return find


def _quantized(model: onnx.ModelProto) -> Found:
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants:
            scale, zero = constants[node.input[1]], constants[node.input[2]]
            if scale.size == 1:
                limits = np.iinfo(zero.dtype)
                step, middle = float(scale.reshape(())), int(zero.reshape(()))
                found[node.input[0]] = ((limits.min - middle) * step, (limits.max - middle) * step)
    return found


CALIBRATORS = {
    "onnxruntime MinMax": by_onnxruntime("MinMax"),
    "onnxruntime Percentile": by_onnxruntime("Percentile"),
    "onnxruntime Entropy": by_onnxruntime("Entropy"),
    "nncf (default)": by_nncf(None),
    "nncf MINMAX": by_nncf("MINMAX"),
    "nncf HISTOGRAM": by_nncf("HISTOGRAM"),
}
