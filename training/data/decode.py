"""What the values in label files mean: stored numbers to the targets of `runtime/format/tasks.py`.

Each function raises ValueError with a phrase that follows a file's name ("has the class 37, ..."): whoever knows the
file makes one DataError of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Frame = Literal["camera", "opengl"]
# The axes of other conventions seen from the camera's (x right, y down, z forward).
_AXES: dict[Frame, tuple[float, float, float]] = {"camera": (1.0, 1.0, 1.0), "opengl": (1.0, -1.0, -1.0)}
_SHORTEST, _LONGEST = 0.5, 1.5
# No depth camera or laser sees as far: such numbers are millimetres that were taken for metres.
_FARTHEST = 1000.0


def class_ids(values: Array, classes: int, first: int = 0, ignore: Sequence[int] = (255,)) -> npt.NDArray[np.uint8]:
    """Class numbers (H,W), the first class being `first`, to uint8 0 .. classes-1; those in `ignore` become 255.

    Whole floats are taken too, as Matlab writes them.
    """
    flat = _plane(values, "class numbers")
    if flat.dtype.kind == "f":
        if not np.all((flat == np.rint(flat)) & (np.abs(flat) < 1e6)):
            raise ValueError("holds fractions, not class numbers: write one whole number a pixel")
        flat = flat.astype(np.int64)
    if flat.dtype.kind not in "iub":
        raise ValueError(f"is of the type {flat.dtype}, not of whole numbers: write one class number a pixel")
    ignored = np.isin(flat, list(ignore))
    ids = np.where(ignored, 255, flat.astype(np.int64) - first)
    wrong = ids[~ignored & ((ids < 0) | (ids >= classes))]
    if wrong.size:
        last = first + classes - 1
        raise ValueError(
            f"has the class {int(wrong[0]) + first}, but classes are {first} to {last}: correct the file, or say that "
            "this number is ignored"
        )
    return np.asarray(ids, dtype=np.uint8)


def metres(values: Array, scale: float = 1.0, ignore: Sequence[float] = ()) -> npt.NDArray[np.float32]:
    """Depth (H,W) in units of `scale` metres to float32 metres; what is ignored, not finite or not positive is 0."""
    flat = _plane(values, "depth")
    if flat.dtype.kind not in "iuf":
        raise ValueError(f"is of the type {flat.dtype}, not of numbers: write one depth a pixel")
    unknown = ~np.isfinite(flat) | (flat <= 0)
    if ignore:
        unknown |= np.isin(flat, list(ignore))
    with np.errstate(over="ignore"):
        depth = np.where(unknown, 0, flat).astype(np.float32) * np.float32(scale)
    farthest = float(depth.max(initial=0.0))
    if farthest > _FARTHEST:
        raise ValueError(_too_far(flat[~unknown], scale, farthest))
    return depth


def _too_far(stored: Array, scale: float, farthest: float) -> str:
    """What is wrong with depths of which `farthest` is too far: a number that stands for "no depth", or the unit."""
    end = np.iinfo(stored.dtype).max if stored.dtype.kind in "iu" else None
    if end is not None and float(stored[stored != end].max(initial=0)) * scale <= _FARTHEST:
        return f"holds {end}, which would be {farthest:.0f} metres: say ignore: [{end}] if that is no depth"
    return f"holds depths up to {farthest:.0f} metres: say what unit they are in (0.001 is a millimetre)"


def unit_vectors(values: Array, frame: Frame = "camera") -> npt.NDArray[np.float32]:
    """Normals (H,W,3) to float32 of length one in the camera's frame; what is shorter than a half is none (0,0,0).

    Unsigned numbers are colours (0 is -1, the largest is 1), signed whole numbers are shares of the largest, floats
    are the vectors themselves. Compressed colours have no exact grey for "none", hence the half; many tools paint it
    black, which as a vector is longer than any normal, and so is white.
    """
    if values.ndim != 3 or values.shape[2] not in (3, 4):
        raise ValueError(f"has the shape {list(values.shape)}, not height x width x 3: write a vector a pixel")
    vectors = _vectors(values[..., :3])
    vectors = np.where(np.isfinite(vectors).all(-1, keepdims=True), vectors, np.float32(0))
    with np.errstate(over="ignore"):
        square = (vectors * vectors).sum(-1, dtype=np.float32)
    known = (square >= _SHORTEST**2) & (square <= _LONGEST**2)
    if values.dtype.kind == "f" and (square > _LONGEST**2).any():
        raise ValueError("holds vectors longer than 1.5: write unit vectors, or colours 0 to 255")
    length = np.sqrt(np.where(known, square, np.float32(1)))
    axes = np.array(_AXES[frame], dtype=np.float32)
    return np.where(known[..., None], vectors * axes / length[..., None], np.float32(0)).astype(np.float32)


def edge_map(values: Array, ignore: Sequence[int] = ()) -> npt.NDArray[np.uint8]:
    """Edges (H,W), 0 to 1 or (where a value is above 1) 0 to 255, to uint8 0 or 1 at the half; `ignore` becomes 255."""
    flat = _plane(values, "edges")
    if flat.dtype.kind not in "iufb":
        raise ValueError(f"is of the type {flat.dtype}, not of numbers: write 0 or 1 a pixel")
    ignored = np.isin(flat, list(ignore)) if ignore else np.zeros(flat.shape, dtype=bool)
    strength = np.where(ignored, 0.0, flat.astype(np.float64))
    top = float(strength.max(initial=0.0))
    if not np.isfinite(strength).all() or top > 255.0 or float(strength.min(initial=0.0)) < 0.0:
        raise ValueError("holds values outside 0 to 255: write 0 or 1 a pixel, or 0 to 255")
    if top == 255.0 and (strength == 1.0).any() and np.isin(strength, (0.0, 1.0, 255.0)).all():
        # By the half of 255 the edges would be none, and what has no label an edge.
        raise ValueError("holds 0, 1 and 255: say ignore: [255] if that is no label, or write 0 and 255")
    edges = strength > (127.5 if top > 1.0 else 0.5)
    return np.where(ignored, np.uint8(255), edges.astype(np.uint8)).astype(np.uint8)


def boundaries(labels: Array) -> npt.NDArray[np.uint8]:
    """Lines one pixel wide, uint8 0 or 1, where the right or the lower neighbour in a label map (H,W) is another."""
    flat = _plane(labels, "labels")
    edges = np.zeros(flat.shape, dtype=np.uint8)
    edges[:, :-1] |= flat[:, :-1] != flat[:, 1:]
    edges[:-1] |= flat[:-1] != flat[1:]
    return edges


def _plane(values: Array, what: str) -> Array:
    flat = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if flat.ndim != 2 or flat.size == 0:
        hint = "a colour picture" if values.ndim == 3 else f"of the shape {list(values.shape)}"
        raise ValueError(f"is {hint}, not {what} in one plane: write height x width numbers")
    return flat


def _vectors(values: Array) -> npt.NDArray[np.float32]:
    if values.dtype.kind == "u":
        return (values.astype(np.float32) * np.float32(2.0 / np.iinfo(values.dtype).max) - np.float32(1)).astype(
            np.float32
        )
    if values.dtype.kind == "i":
        return (values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)).astype(np.float32)
    if values.dtype.kind != "f":
        raise ValueError(f"is of the type {values.dtype}, not of numbers: write a vector a pixel")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
