"""Camera frames in other colours than RGB: BGR as OpenCV gives it, NV12 as video hardware does.

NV12 is uint8 (3H/2, W): H rows of brightness Y, then H/2 rows of colour, U and V by turns, one pair for each block of
2x2 pixels, all of which get that pair. Its values are those of BT.601 in limited range (16 to 235):

    R = (1220542 y + 1673527 v + 2^19) >> 20              = 1.164 y + 1.596 v
    G = (1220542 y - 409993 u - 852492 v + 2^19) >> 20    = 1.164 y - 0.391 u - 0.813 v
    B = (1220542 y + 2116026 u + 2^19) >> 20              = 1.164 y + 2.018 u

with y = max(Y - 16, 0), u = U - 128, v = V - 128, cut to 0 to 255: bit for bit what OpenCV's COLOR_YUV2RGB_NV12 gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..devices.errors import BudgetError, InputError
from .format.manifest import InputInfo
from .images import Prepared, as_array, as_batch

COLORS = ("rgb", "bgr", "nv12")

Array = np.ndarray[Any, Any]
Taker = Callable[[Any, InputInfo], tuple[Array, bool]]
"""Images as they come, and the size wanted -> contiguous uint8 RGB (N, H, W, 3), and whether it was a single image."""

_ROUND, _SHIFT = 1 << 19, 20
_Y, _V_RED, _U_GREEN, _V_GREEN, _U_BLUE = 1220542, 1673527, -409993, -852492, 2116026
# Pixels at a time: whole frames would take megabytes from the system, and give them back, for each.
_STRIP = 1 << 15
_BRIGHTNESS = (np.maximum(np.arange(256) - 16, 0) * _Y).astype(np.int32)


def to_rgb(frames: Any, color: str) -> Array:
    """Frames of any size -> contiguous uint8 RGB (H, W, 3) or (N, H, W, 3); `color` is what they are in.

    "rgb" and "bgr" are (H, W, 3), "nv12" is (3H/2, W); each with N before it for several. Raises InputError.
    """
    name, array = check_color(color), as_array(frames)
    if array.dtype != np.uint8:
        raise InputError(f"frames are {array.dtype}; {name} is uint8")
    if name == "nv12":
        return _nv12_to_rgb(array)
    if array.ndim not in (3, 4) or array.shape[-1] != 3:
        raise InputError(f"frames are uint8 {array.shape}; {name} is (H, W, 3) or (N, H, W, 3)")
    return _swapped(array) if name == "bgr" else np.ascontiguousarray(array)


def check_color(given: object) -> str:
    """The colour's name in small letters; BudgetError where there is none of that name."""
    name = given.strip().lower() if isinstance(given, str) else ""
    if name not in COLORS:
        raise BudgetError(f"there is no color {given!r}: use {', '.join(COLORS[:-1])} or {COLORS[-1]}")
    return name


def taker(color: str, expected: InputInfo) -> Taker:
    """What reads the images of a model; BudgetError for an unknown colour, or one that such sizes cannot have."""
    name = check_color(color)
    if name == "nv12" and (expected.height % 2 or expected.width % 2):
        size = f"{expected.width} wide, {expected.height} high,"
        raise BudgetError(f"images of {size} cannot be nv12, whose sizes are even: convert with pliant.to_rgb first")
    return {"rgb": as_batch, "bgr": _from_bgr, "nv12": _from_nv12}[name]


def _from_bgr(images: Any, expected: InputInfo) -> tuple[Array, bool]:
    if isinstance(images, Prepared):
        return images
    batch, single = as_batch(images, expected, "BGR")
    return _swapped(batch), single


def _from_nv12(images: Any, expected: InputInfo) -> tuple[Array, bool]:
    if isinstance(images, Prepared):
        return images
    frames = as_array(images)
    rows, width = expected.height * 3 // 2, expected.width
    if frames.dtype != np.uint8 or frames.shape[-2:] != (rows, width) or frames.ndim not in (2, 3):
        size = f"{width} wide, {expected.height} high"
        cure = f"have the camera scale to {size}, or resize what pliant.to_rgb(frame, 'nv12') gives"
        wanted = f"expected uint8 NV12 ({rows}, {width}) or (N, {rows}, {width})"
        raise InputError(f"images are {frames.dtype} {frames.shape}; {wanted}: {cure}")
    return as_batch(_nv12_to_rgb(frames), expected)


def _swapped(array: Array) -> Array:
    """Channels in the other order; one by one, which is four times as fast as copying a view that goes backwards."""
    out = np.empty(array.shape, np.uint8)
    for channel in range(3):
        out[..., channel] = array[..., 2 - channel]
    return out


def _nv12_to_rgb(frames: Array) -> Array:
    rows, width = frames.shape[-2:] if frames.ndim in (2, 3) else (0, 0)
    if rows < 3 or rows % 3 or width < 2 or width % 2:
        wanted = "NV12 is (3H/2, W) or (N, 3H/2, W), with even H and W"
        raise InputError(f"frames are uint8 {frames.shape}; {wanted}")
    height = rows * 2 // 3
    out = np.empty((*frames.shape[:-2], height, width, 3), np.uint8)
    for frame, image in zip(frames, out, strict=True) if frames.ndim == 3 else ((frames, out),):
        rows = max(_STRIP // width // 2, 1) * 2
        sums = np.empty((2, rows // 2, 2, width), np.int32)
        for top in range(0, height, rows):
            stop = min(top + rows, height)
            chroma = frame[height + top // 2 : height + stop // 2]
            _convert(frame[top:stop], chroma, image[top:stop], sums[:, : (stop - top) // 2])
    return out


def _convert(luma: Array, chroma: Array, image: Array, space: Array) -> None:
    """Y (H, W) and UV (H/2, W) into RGB (H, W, 3). Rows in pairs, so that the inner loops are as long as a row."""
    height, width = luma.shape
    y, sums = space
    np.take(_BRIGHTNESS, luma.reshape(y.shape), out=y, mode="clip")
    uv = chroma.reshape(height // 2, width // 2, 2).astype(np.int32) - 128
    u, v = uv[..., 0], uv[..., 1]
    pixels = image.reshape(*y.shape, 3)
    for channel, color in enumerate((_V_RED * v, _U_GREEN * u + _V_GREEN * v, _U_BLUE * u)):
        color += _ROUND
        np.add(y, color.repeat(2, 1)[:, None], out=sums)
        sums >>= _SHIFT
        pixels[..., channel] = np.clip(sums, 0, 255, out=sums)
