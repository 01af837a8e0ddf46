"""What a model takes: uint8 RGB of the suite's size; everything else is refused with what to do."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..devices.errors import InputError
from .format.manifest import InputInfo

_UINT8 = np.dtype(np.uint8)


class Prepared(NamedTuple):
    """Images that were read already: contiguous uint8 RGB (N, H, W, 3), and whether it was a single one."""

    batch: np.ndarray[Any, Any]
    single: bool


def as_batch(images: Any, expected: InputInfo, color: str = "RGB") -> tuple[np.ndarray[Any, Any], bool]:
    """uint8 (H, W, 3) or (N, H, W, 3) -> contiguous (N, H, W, 3), and whether it was a single image.

    Anything that NumPy can look at without guessing (a Pillow image, say) is taken too. `color` is what the images are
    called in a complaint. Raises InputError.
    """
    if not isinstance(images, np.ndarray):
        if isinstance(images, Prepared):
            return images
        images = as_array(images)
    shape = images.shape
    if images.dtype != _UINT8 or shape[-3:] != expected.shape or not 3 <= len(shape) <= 4:
        raise InputError(_complaint(images, expected, color))
    single = len(shape) == 3
    batch = images[None] if single else images
    fewest, most = expected.batch
    if not fewest <= batch.shape[0] <= most:
        raise InputError(f"{batch.shape[0]} images in one call; this suite takes {fewest} to {most}: split the batch")
    return np.ascontiguousarray(batch), single


def as_array(images: Any) -> np.ndarray[Any, Any]:
    """The array that something is, or that NumPy can look at without guessing; InputError where it is none."""
    if not (hasattr(images, "__array_interface__") or hasattr(images, "__array__")):
        kind = type(images).__name__
        raise InputError(f"images are a {kind}; expected a uint8 array: read the file with Pillow and numpy.asarray")
    return np.asarray(images)


def rgb_of(picture: Any) -> np.ndarray[Any, Any]:
    """A Pillow picture as uint8 RGB (H, W, 3), grey of 16 bits by its upper 8: Pillow's own way cuts it at white.

    Raises InputError, a phrase that follows a file's name, for numbers that are no picture.
    """
    if picture.mode == "F":
        raise InputError("holds floating-point numbers: save it as an image of 8 bits a channel")
    if picture.mode != "I" and not picture.mode.startswith("I;16"):
        return np.array(picture.convert("RGB"))
    values = np.asarray(picture)
    if int(values.min()) < 0 or int(values.max()) >= 1 << 16:
        raise InputError("holds numbers of 32 bits: save it as an image of 8 bits a channel")
    return np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)


def _complaint(images: np.ndarray[Any, Any], expected: InputInfo, color: str) -> str:
    height, width = expected.height, expected.width
    wanted = f"expected uint8 {color} ({height}, {width}, 3) or (N, {height}, {width}, 3)"
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
        cure = f"make grey images {color} with numpy.repeat(image.reshape(*image.shape[:2], 1), 3, -1)"
    else:
        cure = "pass one image or a batch of images"
    return f"images are uint8 {shape}; {wanted}: {cure}"
