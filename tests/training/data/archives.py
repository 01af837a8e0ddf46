"""Small archives of the form of the real ones, and where those are."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

Array = npt.NDArray[Any]
PLACES = [Path(os.environ.get("PLIANT_DATA", "")), Path(__file__).resolve().parents[4] / "shared" / "data"]
NAMES = {
    "redkitchen": "redkitchen_rgbd_128x160.npz",
    "camvid": "camvid_180x240.npz",
    "cifar100-mtl": "cifar100_test.npz",
}


def real_root(name: str) -> Path:
    for place in PLACES:
        if (place / NAMES[name]).is_file():
            return place
    pytest.skip(f"{NAMES[name]} is neither in $PLIANT_DATA nor in ../shared/data")


def encoded(images: list[Array], form: str, **options: Any) -> tuple[Array, Array]:
    parts = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, form, **options)
        parts.append(np.frombuffer(buffer.getvalue(), dtype=np.uint8))
    return np.concatenate(parts), np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)


def flat_images(count: int, height: int, width: int) -> list[Array]:
    """Image i is of the grey 20 + 10 i."""
    return [np.full((height, width, 3), 20 + 10 * index, dtype=np.uint8) for index in range(count)]


def kitchen(folder: Path, **changes: Any) -> Path:
    jpeg, offsets = encoded(flat_images(6, 128, 160), "JPEG", quality=95)
    rng = np.random.default_rng(0)
    arrays = {
        "jpeg": jpeg,
        "offsets": offsets,
        "split": np.array([0, 1, 0, 2, 0, 3], dtype=np.uint8),
        "depth_mm": rng.integers(0, 4000, (6, 128, 160)).astype(np.uint16),
        "normal": rng.integers(-124, 125, (6, 128, 160, 3)).astype(np.int8),
        "geo": rng.choice([0, 1, 2, 3, 4, 255], (6, 128, 160)).astype(np.uint8),
        "occ_edge": rng.integers(0, 2, (6, 128, 160)).astype(np.uint8),
    }
    arrays["normal"][:, :4] = 0
    return save(folder, "redkitchen_rgbd_128x160.npz", arrays, changes)


def camvid(folder: Path, **changes: Any) -> Path:
    jpeg, offsets = encoded(flat_images(3, 180, 240), "JPEG")
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_jpeg"], arrays[f"{part}_offsets"] = jpeg, offsets
        arrays[f"{part}_seg"] = rng.integers(0, 12, (3, 180, 240)).astype(np.uint8)
        arrays[f"{part}_edge"] = rng.integers(0, 2, (3, 180, 240)).astype(np.uint8)
    return save(folder, "camvid_180x240.npz", arrays, changes)


def cifar(folder: Path, file: str = "cifar100_test.npz", **changes: Any) -> Path:
    webp, offsets = encoded(flat_images(8, 32, 32), "WEBP", lossless=True)
    arrays = {
        "webp": webp,
        "offsets": offsets,
        "coarse": np.array([0, 1, 0, 19, 1, 0, 5, 1], dtype=np.uint8),
        "within": np.array([0, 4, 1, 2, 3, 2, 0, 1], dtype=np.uint8),
        "fine_names": np.array([f"fine{i}".encode() for i in range(100)]),
        "coarse_names": np.array([f"group{i}".encode() for i in range(20)]),
        "fine_to_coarse": (np.arange(100) % 20).astype(np.uint8),
        "fine_to_within": (np.arange(100) // 20).astype(np.uint8),
    }
    return save(folder, file, arrays, changes)


def save(folder: Path, file: str, arrays: dict[str, Any], changes: dict[str, Any]) -> Path:
    arrays = {key: values for key, values in {**arrays, **changes}.items() if values is not None}
    np.savez_compressed(folder / file, **arrays)
    return folder / file


MAKE = {"redkitchen": kitchen, "camvid": camvid, "cifar100-mtl": cifar}
