"""What a model takes: uint8 RGB of the suite's size; everything else is refused with what to do."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..devices.errors import InputError
from .manifest import InputInfo

_UINT8 = np.dtype(np.uint8)


def as_batch(images: Any, expected: InputInfo) -> tuple[np.ndarray[Any, Any], bool]:
    """uint8 (H, W, 3) or (N, H, W, 3) -> contiguous (N, H, W, 3), and whether it was a single image.

    Anything that NumPy can look at without guessing (a Pillow image, say) is taken too. Raises InputError.
    """
    if not isinstance(images, np.ndarray):
        images = _from_other(images)
    shape = images.shape
    if images.dtype != _UINT8 or shape[-3:] != expected.shape or not 3 <= len(shape) <= 4:
        raise InputError(_complaint(images, expected))
    single = len(shape) == 3
    batch = images[None] if single else images
    fewest, most = expected.batch
    if not fewest <= batch.shape[0] <= most:
        raise InputError(f"{batch.shape[0]} images in one call; this suite takes {fewest} to {most}: split the batch")
    return np.ascontiguousarray(batch), single


def _from_other(images: Any) -> np.ndarray[Any, Any]:
    if not (hasattr(images, "__array_interface__") or hasattr(images, "__array__")):
        kind = type(images).__name__
        raise InputError(
            f"images are a {kind}; expected a uint8 RGB array: read the file with Pillow and numpy.asarray"
        )
    return np.asarray(images)


def _complaint(images: np.ndarray[Any, Any], expected: InputInfo) -> str:
    height, width = expected.height, expected.width
    wanted = f"expected uint8 RGB ({height}, {width}, 3) or (N, {height}, {width}, 3)"
    shape = images.shape
    if images.dtype != _UINT8:
        cure = "pass the camera's 0-255 values" if images.dtype.kind == "f" else "convert with .astype(numpy.uint8)"
        return f"images are {images.dtype} {shape}; {wanted}: {cure}"
    if len(shape) in (3, 4) and shape[-1] == 3:
        cure = f"resize first, as in PIL.Image.fromarray(image).resize(({width}, {height}))"
    elif len(shape) in (3, 4) and shape[-1] == 4:
        cure = "drop the alpha channel with image[..., :3]"
    elif len(shape) in (3, 4) and shape[-3] == 3:
        cure = "put channels last with image.transpose(1, 2, 0)"
    elif len(shape) == 2 or shape[-1:] == (1,):
        cure = "make grey images RGB with numpy.repeat(image.reshape(*image.shape[:2], 1), 3, -1)"
    else:
        cure = "pass one image or a batch of images"
    return f"images are uint8 {shape}; {wanted}: {cure}"
