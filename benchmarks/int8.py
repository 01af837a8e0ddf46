"""Int8 as pliant places it against fp32 and onnxruntime's own `quantize_static`, on the same subnets and images.

    python benchmarks/int8.py --encoder resnet18 --out benchmarks/results

Latency does not depend on what was learnt, so the network is freshly initialised, and this compares time only. Beside
each ratio stands the signal over quantization noise of the raw outputs, the worst task's: what both ways lose on random
weights, which says nothing of trained ones (a random MobileNetV2 is near 1 dB, noise as strong as what it says).
Sessions run interleaved, one thread, one image; a latency is the 15th percentile of many runs (the machine's own noise
only adds), a ratio that of paired runs. Writes `int8-<encoder>-<hardware>-<date>.json`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from pliant.benchmarks.dated import save_dated
from pliant.devices.dialect import get_dialect
from pliant.export.deployed import Deployed
from pliant.export.engine import Engine
from pliant.export.feeds import Feed, Wide, fp32_feed, int8_feed
from pliant.export.noise import signal_to_noise
from pliant.export.template import export_template
from pliant.models.architecture import Architecture
from pliant.models.extract import extract_subnet
from pliant.models.space import SearchSpace
from pliant.models.supernet import Supernet, build_supernet, stages_of
from pliant.quantize.calibrate import calibrate
from pliant.quantize.lowering import lower
from pliant.quantize.policy import Policy
from pliant.training.data import Dataset, open_data
from pliant.training.evaluation.protocol import load_batches
from pliant.training.evaluation.recalibrate import recalibrate

SIZE = (128, 160)
RUNS, QUANTILE = 150, 0.15


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Calibration images for onnxruntime, a batch at a time."""

    def __init__(self, batches: list[np.ndarray]):
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def supernet(encoder: str, data: Dataset) -> Supernet:
    torch.manual_seed(0)
    space = SearchSpace(stages_of(encoder), tuple(task.name for task in data.tasks))
    return build_supernet(Architecture(encoder, *SIZE), data.tasks, space).eval()


def static_session(feed: Feed, batches: list[np.ndarray], folder: Path) -> Any:
    """The fp32 subnet as a file of its own, through onnxruntime's preprocessing and `quantize_static` (per channel)."""
    model = onnx.ModelProto()
    model.CopyFrom(feed.graph)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.CopyFrom(onnx.numpy_helper.from_array(feed.arrays[tensor.name], tensor.name))
    whole, prepared, static = (folder / name for name in ("fp32.onnx", "prepared.onnx", "int8.onnx"))
    onnx.save(model, whole)
    quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(static), Reader(batches), per_channel=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(static), options, providers=["CPUExecutionProvider"])


def measure(runs: dict[str, Any], image: np.ndarray) -> dict[str, dict[str, float]]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(RUNS):
        for name in sorted(runs, reverse=bool(turn % 2)):
            start = time.perf_counter_ns()
            runs[name](image)
            times[name].append((time.perf_counter_ns() - start) / 1e6)
    fp32 = np.array(times["fp32"])
    return {
        name: {
            "latency_ms": float(np.quantile(found, QUANTILE)),
            "of_fp32": float(np.median(np.array(found) / fp32)),
            "of_fp32_p25": float(np.quantile(np.array(found) / fp32, 0.25)),
            "of_fp32_p75": float(np.quantile(np.array(found) / fp32, 0.75)),
        }
        for name, found in times.items()
    }


def compare(net: Supernet, fp32: Feed, int8: Feed, images: list[np.ndarray]) -> dict[str, dict[str, float]]:
    names = [f"{task.name}/logits" for task in net.tasks]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        static = static_session(fp32, images[:2], Path(folder))
        took = time.perf_counter() - began
    runs: dict[str, Any] = {
        "fp32": Engine(fp32, names, "fp32", 1),
        "pliant": Engine(int8, names, "int8", 1),
        "quantize_static": lambda image: dict(zip(names, static.run(names, {"images": image}), strict=True)),
    }
    found = measure(runs, images[2][:1])
    expected = runs["fp32"](images[2])
    for name in ("pliant", "quantize_static"):
        outputs = runs[name](images[2])
        found[name]["noise_db"] = min(signal_to_noise(expected[n], outputs[n]) for n in names)
    found["quantize_static"]["made_in_s"] = took
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    data = open_data("scenes", "train", count=48, size=SIZE)
    net, batches = supernet(arguments.encoder, data), load_batches(data, 48, 16)
    images = [batch.images.numpy() for batch in batches]
    began = time.perf_counter()
    deployed = Deployed(extract_subnet(net, net.space.widest), net.architecture, net.tasks)
    template = export_template(deployed, SIZE)
    lowered = lower(template, Policy(), get_dialect("onnxruntime"))
    results: dict[str, Any] = {"template_s": time.perf_counter() - began}
    wide = Wide(net, lowered)
    for width in (1.0, 0.75, 0.5, 0.25):
        config = net.space.uniform(width)
        fp32 = fp32_feed(template, wide, config, recalibrate(net, config, batches))
        began = time.perf_counter()
        int8 = int8_feed(
            lowered, wide, fp32, calibrate(fp32.graph, fp32.arrays, lowered.ranged, images[:2], lowered.by_channel)
        )
        took = time.perf_counter() - began
        found = compare(net, fp32, int8, images)
        found["pliant"]["made_in_s"] = took
        results[f"{width:g}"] = found
        for name, values in found.items():
            print(f"{width:<5g} {name:16s}", line(values))
    print(save(results, arguments.encoder, arguments.out))


def line(values: dict[str, float]) -> str:
    """A way's ratio and, beside it, how much of its outputs is noise."""
    spread = f"{values['of_fp32']:.2f} of fp32 ({values['of_fp32_p25']:.2f} to {values['of_fp32_p75']:.2f})"
    noise = f", {values['noise_db']:.1f} dB over its noise" if "noise_db" in values else ""
    return f"{values['latency_ms']:7.2f} ms, {spread}{noise}"


def save(results: dict[str, Any], encoder: str, folder: Path) -> Path:
    """Write the dated result file."""
    versions = {"onnxruntime": ort.__version__, "torch": torch.__version__}
    entry = {"versions": versions, "size": list(SIZE), "results": results}
    return save_dated(f"int8-{encoder}", folder, f"python benchmarks/int8.py --encoder {encoder}", entry)


if __name__ == "__main__":
    main()
