"""Reading one file of a data set, with every fault as one DataError that names it.

Pictures by Pillow, arrays by numpy without pickles.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ...devices.errors import DataError, InputError
from ...runtime.images import rgb_of
from .damage import DAMAGE
from .matlab import Unsupported, read_mat

Array = npt.NDArray[Any]
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
# Named, for Pillow would start other programs for some of the formats that it knows.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_LARGEST = 1 << 28


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) of a picture as `read_picture` gives it, from its header alone."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return (picture.width, picture.height) if turned else (picture.height, picture.width)
    except FileNotFoundError:
        raise missing(path) from None
    except DAMAGE as error:
        raise damaged(path, error) from error


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """A picture as uint8 RGB (H,W,3), upright as its camera says, like `pliant run` shows it."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            return rgb_of(ImageOps.exif_transpose(picture))
    except InputError as error:
        raise DataError(f"{path} {error}") from None
    except FileNotFoundError:
        raise missing(path) from None
    except DAMAGE as error:
        raise damaged(path, error) from error


def read_array(path: Path, key: str = "") -> Array:
    """The numbers in a label file: of a `.npy`, of the variable `key` of a `.mat`, or a picture's own values.

    A picture with a palette gives the palette's indices, (H,W); grey ones (H,W); coloured ones (H,W,3 or 4).
    """
    try:
        if path.suffix.lower() == ".npy":
            return _numpy(path)
        if path.suffix.lower() == ".mat":
            return _variable(path, key)
        with Image.open(path, formats=_FORMATS) as picture:
            values = np.asarray(picture)
        return values.astype(np.uint8) if values.dtype == bool else values
    except FileNotFoundError:
        raise missing(path) from None
    except DAMAGE as error:
        raise damaged(path, error) from error


def read_matlab(path: Path) -> dict[str, Any]:
    """Every variable of a `.mat` file, as `matlab.py` gives them; DataError where it is damaged."""
    try:
        return read_mat(path)
    except FileNotFoundError:
        raise missing(path) from None
    except Unsupported as error:
        raise DataError(f"{path} {error}") from error
    except DAMAGE as error:
        raise damaged(path, error) from error


def decoded(path: Path, values: Array, decode: Callable[[Array], Array]) -> Array:
    """`decode` of a file's values; what it refuses becomes a DataError that names the file."""
    try:
        return decode(values)
    except ValueError as error:
        raise DataError(f"{path} {error}") from error


def missing(path: Path, *others: Path) -> DataError:
    """The error of a file that is not there, nor are others that would do."""
    endings = dict.fromkeys(other.suffix.lower() for other in others if other.suffix.lower() != path.suffix)
    nor = f" (nor as {', '.join(endings)})" if endings else ""
    return DataError(f"{path} is not there{nor}: put it there, or take its line out of the list of the split")


def twins(path: Path, other: Path, name: str) -> DataError:
    """The error of two pictures where a name should tell one."""
    return DataError(f"{path} and {other} are both named {name!r}: keep one, or give images an ending")


def damaged(path: Path, error: BaseException) -> DataError:
    """The error of a file that cannot be read."""
    return DataError(f"{path} cannot be read ({type(error).__name__}): copy it again")


def _variable(path: Path, key: str) -> Array:
    content = read_matlab(path)
    if key not in content:
        known = ", ".join(sorted(content)) or "nothing"
        raise DataError(f"{path} has no variable {key!r}, but {known}: put the right file there")
    values = content[key]
    if not isinstance(values, np.ndarray):
        raise DataError(f"{path} has something other than numbers as {key!r}: put the right file there")
    return values


def _numpy(path: Path) -> Array:
    _bound(path)
    with path.open("rb") as file:
        values = np.load(file, allow_pickle=False)
    if not isinstance(values, np.ndarray):
        raise DataError(f"{path} is an archive, not one array: write it with numpy.save")
    return values


def _bound(path: Path) -> None:
    if path.stat().st_size > _LARGEST:
        raise DataError(f"{path} is larger than 256 MB: that is not the label of one picture")
