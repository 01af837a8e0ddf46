"""Images and labels at another size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...runtime.format.tasks import Kind

Array = npt.NDArray[Any]
Box = tuple[float, float, float, float]


def resize_image(image: npt.NDArray[np.uint8], size: tuple[int, int], box: Box | None = None) -> Array:
    """uint8 (H,W,3) to (h,w,3): bilinear, over the source's area where it shrinks.

    `box` is (left, top, right, bottom) in pixels; the whole image without it.
    """
    if image.shape[:2] == size and box is None:
        return image
    picture = Image.fromarray(image)
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box))


def resize_target(values: Array, kind: Kind, size: tuple[int, int], box: Box | None = None) -> Array:
    """A dense target (H,W) or (H,W,3) to (h,w,...): nearest, so that no value is invented.

    Edges that shrink keep the largest value of the source's area: a line one pixel wide stays a line.
    """
    if values.ndim < 2 or (values.shape[:2] == size and box is None):
        return values
    left, top, right, bottom = box or (0.0, 0.0, float(values.shape[1]), float(values.shape[0]))
    if kind == "edges" and box is None and size[0] <= values.shape[0] and size[1] <= values.shape[1]:
        starts = [np.arange(n) * length // n for n, length in zip(size, values.shape, strict=False)]
        return np.asarray(np.maximum.reduceat(np.maximum.reduceat(values, starts[0], 0), starts[1], 1))
    rows = _nearest(top, bottom, size[0], values.shape[0])
    columns = _nearest(left, right, size[1], values.shape[1])
    return np.asarray(values.take(rows, 0).take(columns, 1))


def _nearest(low: float, high: float, count: int, length: int) -> npt.NDArray[np.intp]:
    places = low + (np.arange(count) + 0.5) * ((high - low) / count)
    return np.asarray(np.minimum(np.floor(places), length - 1), dtype=np.intp)
