"""Small real suites, made with onnx and numpy alone: five tasks, sliced weights, a concatenation, fp32 and int8."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from safetensors.numpy import save, save_file

from pliant import BudgetError, SuiteError

from . import network
from .network import FULL, TASKS, Array, own_weights, shapes, subnet_model, wide_weights

SUBNETS: dict[str, tuple[int, int, str]] = {
    "s01-fp32": (4, 8, "fp32"),
    "s01-int8": (4, 8, "int8"),
    "s02-fp32": (8, 16, "fp32"),
    "s03-fp32": (16, 16, "fp32"),
}
"""Channels of the two branches, and the precision."""


@dataclass
class Made:
    """A suite before it is written; `models` are the complete ONNX models, for reference."""

    tensors: dict[str, Array]
    manifest: dict[str, Any]
    records: dict[str, dict[str, Array]] = field(default_factory=dict)
    models: dict[str, onnx.ModelProto] = field(default_factory=dict)
    digests: bytes | None = None
    """What stands in place of the list of digests."""

    def write(self, path: Path) -> Path:
        """Pack the records, compute digests, write the file."""
        tensors = {**self.tensors, **{f"record/{name}": _u8(save(arrays)) for name, arrays in self.records.items()}}
        digests = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in tensors.items()}
        tensors["digests"] = _u8(zlib.compress(self.digests or json.dumps(digests).encode()))
        self.manifest["digests_sha256"] = hashlib.sha256(tensors["digests"].tobytes()).hexdigest()
        save_file(tensors, path, {"pliant": json.dumps(self.manifest), "format": "pliant"})
        return path

    def replace_graph(self, subnet: str, data: bytes) -> None:
        """Give a subnet another graph, with a right digest."""
        digest = hashlib.sha256(data).hexdigest()
        self.tensors[f"graph/{digest[:16]}"] = _u8(zlib.compress(data))
        for entry in self.manifest["subnets"]:
            if entry["id"] == subnet:
                entry["graphs"]["onnxruntime"] = {
                    "tensor": f"graph/{digest[:16]}",
                    "sha256": digest,
                    "size": len(data),
                }

    def graph(self, subnet: str) -> onnx.ModelProto:
        """A subnet's weightless graph."""
        entry = next(entry for entry in self.manifest["subnets"] if entry["id"] == subnet)
        data = zlib.decompress(self.tensors[entry["graphs"]["onnxruntime"]["tensor"]].tobytes())
        return onnx.load_from_string(data)

    def views(self, subnet: str) -> dict[str, Any]:
        """A subnet's views."""
        found: dict[str, Any] = json.loads(zlib.decompress(self.records[subnet]["views"].tobytes()))
        return found

    def set_views(self, subnet: str, views: dict[str, Any]) -> None:
        """Put a subnet's views back."""
        self.records[subnet]["views"] = _u8(zlib.compress(json.dumps(views).encode()))


def make(seed: int = 0) -> Made:
    """A suite of four subnets that slice the same weights."""
    rng = np.random.default_rng(seed)
    wide = wide_weights(rng)
    made = Made({f"weights/{name}": array for name, array in wide.items()}, _manifest())
    made.tensors["int8/mix.weight"] = np.round(wide["mix.weight"] * 60).clip(-127, 127).astype(np.int8)
    image = rng.integers(0, 256, (1, network.HEIGHT, network.WIDTH, 3), dtype=np.uint8)
    made.tensors["witness/input"] = image
    for task in TASKS:
        size = int(np.prod(shapes(task)[0][1:]))
        made.tensors[f"witness/{task.name}/indices"] = np.sort(rng.choice(size, min(size, 64), False)).astype(np.int64)
    for name, (left, right, precision) in SUBNETS.items():
        own = own_weights(rng, left, right, precision)
        views = _views(left, right, precision)
        arrays = {**own, **{key: _cut(made.tensors, view) for key, view in views.items()}}
        graph = subnet_model(arrays, precision, weightless=True)
        made.models[name] = subnet_model(arrays, precision, weightless=False)
        made.records[name] = {f"own/{key}": array for key, array in own.items()}
        made.set_views(name, views)
        made.manifest["subnets"].append(_subnet(name, left, right, precision))
        made.replace_graph(name, graph.SerializeToString())
        made.records[name].update(_witness(made, name, image))
    return made


def reference(model: onnx.ModelProto, images: Array) -> dict[str, Array]:
    """All outputs of a complete model, by plain onnxruntime."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def images(count: int, seed: int = 1) -> Array:
    """Random images of the suite's size."""
    return np.random.default_rng(seed).integers(0, 256, (count, network.HEIGHT, network.WIDTH, 3), dtype=np.uint8)


def _views(left: int, right: int, precision: str) -> dict[str, Any]:
    views = {
        "left.weight": {"tensor": "weights/left.weight", "ranges": [[[0, left]]]},
        "right.weight": {"tensor": "weights/right.weight", "ranges": [[[0, right]]]},
        "mix.weight": {
            "tensor": "int8/mix.weight" if precision == "int8" else "weights/mix.weight",
            "ranges": [[[0, FULL]], [[0, left], [FULL, FULL + right]]],
        },
    }
    for name in ("norm.weight", "norm.bias", *(f"{task.name}.{part}" for task in TASKS for part in ("weight", "bias"))):
        views[name] = {"tensor": f"weights/{name}", "ranges": []}
    return views


def _cut(tensors: dict[str, Array], view: dict[str, Any]) -> Array:
    array: Array = tensors[view["tensor"]]
    for axis, ranges in enumerate(view["ranges"]):
        array = np.take(array, np.concatenate([np.arange(start, stop) for start, stop in ranges]), axis)
    return array


def _witness(made: Made, subnet: str, image: Array) -> dict[str, Array]:
    outputs = reference(made.models[subnet], image)
    found = {}
    for task in TASKS:
        flat = outputs[task.name].astype(np.float32).ravel()
        found[f"witness/{task.name}"] = flat[made.tensors[f"witness/{task.name}/indices"]]
        found[f"witness/{task.name}/summary"] = np.array([flat.min(), flat.max(), flat.mean()], np.float32)
    return found


def _subnet(name: str, left: int, right: int, precision: str) -> dict[str, Any]:
    macs, size = network.HEIGHT * network.WIDTH * (left + right) * 171, (left + right) * 700
    decoders = {
        task.name: {"macs": network.HEIGHT * network.WIDTH * FULL * task.channels, "bytes": 300} for task in TASKS
    }
    return {
        "id": name,
        "widths": {"encoder": [left / FULL, right / FULL], "decoders": {task.name: 1.0 for task in TASKS}},
        "precision": precision,
        "macs": macs + sum(part["macs"] for part in decoders.values()),
        "bytes": size + 300 * len(TASKS),
        "parts": {"encoder": {"macs": macs, "bytes": size}, "decoders": decoders},
        "quality": {
            task.name: {"metric": task.metric, "value": 0.5, "higher_is_better": task.higher_is_better}
            for task in TASKS
        },
        "graphs": {},
        "record": f"record/{name}",
    }


def _manifest() -> dict[str, Any]:
    return {
        "format_version": "1.0",
        "name": "made",
        "input": {"height": network.HEIGHT, "width": network.WIDTH, "color": "RGB", "dtype": "uint8", "batch": [1, 8]},
        "tasks": {task.name: task.to_json() for task in TASKS},
        "subnets": [],
        "quality_data": {"name": "made", "split": "validation", "images": 1, "engine": "onnxruntime"},
        "witness_tolerance": {"fp32": 1e-3, "fp16": 1e-2, "int8": 0.05},
        "provenance": {"pliant": "test"},
    }


def _u8(data: bytes) -> Array:
    return np.frombuffer(data, np.uint8).copy()


def complaint(action: Callable[[], object]) -> str:
    """What a SuiteError or BudgetError of `action` says, empty where it goes well."""
    try:
        action()
    except (SuiteError, BudgetError) as error:
        return str(error)
    return ""
