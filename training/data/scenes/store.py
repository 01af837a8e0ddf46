"""Rendered pictures on disk: chunks of samples in the user's cache folder.

A cache, nothing more: what cannot be read is rendered again, and where nothing can be written
nothing is.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ....devices.cache import cache_folder
from ..damage import DAMAGE
from ..sample import Sample
from .picture import VERSION

CHUNK = 64
_MAX_DEPTH = 65.0
_ARRAYS = ("image", "segmentation", "depth", "normals", "edges")
_TARGET_TYPES = {"segmentation": np.uint8, "depth": np.float32, "normals": np.float32, "edges": np.uint8}


def pack(sample: Sample) -> Sample:
    """The sample in less memory: depth as uint16 millimetres, normals as float16."""
    depth = sample.targets["depth"]
    # Rounded to whole millimetres; the farthest of them is well inside 16 bits.
    millimetres = (np.minimum(depth, _MAX_DEPTH) * np.float32(1000.0) + np.float32(0.5)).astype(np.uint16)
    return Sample(
        sample.image,
        {**sample.targets, "depth": millimetres, "normals": sample.targets["normals"].astype(np.float16)},
    )


def unpack(sample: Sample, tasks: set[str]) -> Sample:
    """The chosen tasks of a sample in the encodings of `runtime/format/tasks.py`, as arrays of its own."""
    targets = {name: values.astype(_TARGET_TYPES[name]) for name, values in sample.targets.items() if name in tasks}
    if "depth" in targets:
        targets["depth"] *= np.float32(1e-3)
    return Sample(sample.image.copy(), targets)


def chunk_path(seed: int, split: str, size: tuple[int, int], chunk: int) -> Path:
    """File of one chunk: everything that decides its pixels is in the name."""
    kind = f"v{VERSION}-seed{seed}-{split}-{size[0]}x{size[1]}"
    return cache_folder() / "scenes" / kind / f"{chunk:05d}.npz"


def encode(samples: Sequence[Sample]) -> bytes:
    """Packed samples as one .npz, lightly compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in _ARRAYS:
            parts = [s.image if name == "image" else s.targets[name] for s in samples]
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.stack(parts), allow_pickle=False)
    return buffer.getvalue()


def decode(data: bytes, size: tuple[int, int]) -> list[Sample] | None:
    """Packed samples from `encode`, None where the bytes are damaged."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in _ARRAYS}
    except DAMAGE:
        return None
    if not _fits(arrays, size):
        return None
    images = arrays.pop("image")
    return [Sample(images[i], {name: values[i] for name, values in arrays.items()}) for i in range(len(images))]


def read_chunk(path: Path, size: tuple[int, int], least: int) -> list[Sample] | None:
    """Packed samples of a chunk; None where the file is missing, damaged or holds fewer than `least`."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    samples = decode(data, size)
    return samples if samples is not None and len(samples) >= least else None


def write_chunk(path: Path, data: bytes) -> bool:
    """Put a chunk in place in one step; False where the folder cannot be written."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        # Half a chunk on a full disk helps nobody; where even that cannot be removed it is passed over like the rest.
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    return True


def _fits(arrays: dict[str, npt.NDArray[np.generic]], size: tuple[int, int]) -> bool:
    count = len(arrays["image"])
    expected = {
        "image": ((3,), np.uint8),
        "segmentation": ((), np.uint8),
        "depth": ((), np.uint16),
        "normals": ((3,), np.float16),
        "edges": ((), np.uint8),
    }
    return all(
        arrays[name].shape == (count, *size, *rest) and arrays[name].dtype == dtype
        for name, (rest, dtype) in expected.items()
    )
