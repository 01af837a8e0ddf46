"""One peer's own int8, by its defaults: `python quantizers.py PEER fp32.onnx images.npz int8.onnx`.

A script that stands alone: it is run by the interpreter that has the peer, which need not have pliant. `images.npz`
holds `images`, uint8 (N, H, W, 3); the input of the model is called `images` and takes them as they are.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

BATCH = 8


def _batches(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]


class _Reader:
    """Calibration data as onnxruntime asks for it."""

    def __init__(self, images: np.ndarray):
        self._batches = iter(_batches(images))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def onnxruntime(model: Path, images: np.ndarray, out: Path) -> str:
    """`quantize_static` after onnxruntime's own preprocessing, as its documentation says."""
    import onnxruntime as ort
    from onnxruntime.quantization import quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = model.with_name("prepared.onnx")
    quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(out), _Reader(images))
    return f"onnxruntime {ort.__version__}"


def nncf(model: Path, images: np.ndarray, out: Path) -> str:
    """`nncf.quantize`, which corrects biases too."""
    import nncf as package
    import onnx

    data = package.Dataset(_batches(images), lambda batch: {"images": batch})
    onnx.save(package.quantize(onnx.load(model), data, subset_size=len(_batches(images))), out)
    return f"nncf {package.__version__}"


def optimum(model: Path, images: np.ndarray, out: Path) -> str:
    """The preset for AVX-512 with VNNI, static, ranges by minimum and maximum."""
    from importlib.metadata import version

    from datasets import Dataset
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoCalibrationConfig, AutoQuantizationConfig

    data = Dataset.from_dict({"images": [list(image) for image in images]})
    quantizer = ORTQuantizer.from_pretrained(model.parent, file_name=model.name)
    ranges = quantizer.fit(data, AutoCalibrationConfig.minmax(data), batch_size=BATCH)
    preset = AutoQuantizationConfig.avx512_vnni(is_static=True, per_channel=True)
    with tempfile.TemporaryDirectory() as folder:
        quantizer.quantize(preset, save_dir=folder, calibration_tensors_range=ranges, file_suffix="int8")
        shutil.copy(next(Path(folder).glob("*.onnx")), out)
    return f"optimum-onnx {version('optimum-onnx')}"


def modelopt(model: Path, images: np.ndarray, out: Path) -> str:
    """NVIDIA ModelOpt's post-training quantization of ONNX, which is meant for TensorRT."""
    import modelopt as package
    from modelopt.onnx.quantization import quantize

    quantize(str(model), quantize_mode="int8", calibration_data={"images": images}, output_path=str(out))
    return f"modelopt {package.__version__}"


PEERS = {"onnxruntime": onnxruntime, "nncf": nncf, "optimum": optimum, "modelopt": modelopt}


if __name__ == "__main__":
    _, peer, given, calibration, wanted = sys.argv
    print("made by", PEERS[peer](Path(given), np.load(calibration)["images"], Path(wanted)))
