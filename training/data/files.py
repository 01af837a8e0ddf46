"""Finding and reading the .npz files of real data, with every fault as one DataError."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...devices.errors import DataError
from .damage import DAMAGE

Array = npt.NDArray[Any]
# Type and shape of an array; None stands for any length.
Form = tuple[type[np.generic], tuple[int | None, ...]]

_CHECKOUT = Path(__file__).resolve().parents[2]


def find(file: str, root: Path | None) -> Path:
    """Path of a data file: in `root` if given, else `$PLIANT_DATA`, else beside the checkout or here.

    Raises DataError that names the file and the places looked at.
    """
    looked_at = places(root)
    for place in looked_at:
        if (place / file).is_file():
            return place / file
    looked = ", ".join(str(place) for place in looked_at)
    raise DataError(f"{file} is not there: looked in {looked}; {advice(root)} (docs/data.md says what it is)")


def advice(root: Path | None) -> str:
    """What to do where a file is in none of the `places`."""
    if root is not None:
        return "put it there, or give another folder"
    return "put it into one of them, or set PLIANT_DATA to its folder"


def places(root: Path | None) -> list[Path]:
    """Folders that data is looked for in: `root` alone if given, else `$PLIANT_DATA` and folders near by."""
    if root is not None:
        return [Path(root)]
    named = os.environ.get("PLIANT_DATA")
    bases = (_CHECKOUT, Path.cwd())
    found = [Path(named)] if named else []
    found += [folder for base in bases for folder in (base.parent / "shared" / "data", base / "data")]
    return list(dict.fromkeys(found))


def read(path: Path, forms: Mapping[str, Form]) -> dict[str, Array]:
    """The named arrays of an .npz file, each of the given type and shape.

    Raises DataError where the file is damaged, or is not what its name says. No pickles are read.
    """
    arrays: dict[str, Array] = {}
    try:
        # Opened here: numpy leaves a file open that turns out to be no archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path} is not an .npz archive: put the right file there (docs/data.md)")
            absent = [key for key in forms if key not in archive.files]
            if absent:
                raise DataError(f"{path} has no array {absent[0]!r}: put the right file there (docs/data.md)")
            for key in forms:
                arrays[key] = np.asarray(archive[key])
    except DAMAGE as error:
        kind = type(error).__name__
        raise DataError(f"{path} is damaged ({kind}): copy it again (docs/data.md says from where)") from error
    for key, form in forms.items():
        _check(path, key, arrays[key], form)
    return arrays


def texts(path: Path, values: Array) -> tuple[str, ...]:
    """Names that are stored as fixed-width byte strings."""
    try:
        return tuple(bytes(value).decode("ascii") for value in values)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} has a name that is not plain text: copy it again (docs/data.md)") from error


class Pictures:
    """Encoded pictures laid end to end in one uint8 array; item i is decoded to uint8 RGB (H,W,3)."""

    def __init__(self, path: Path, data: Array, offsets: Array, size: tuple[int, int]):
        whole = len(offsets) > 1 and offsets[0] == 0 and offsets[-1] == len(data) and bool(np.all(np.diff(offsets) > 0))
        if not whole:
            raise DataError(f"{path} has picture offsets that do not fit its data: copy it again (docs/data.md)")
        self._path, self._data, self._offsets, self._size = path, data, offsets, size

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        encoded = self._data[self._offsets[index] : self._offsets[index + 1]].tobytes()
        try:
            with Image.open(io.BytesIO(encoded), formats=("JPEG", "WEBP", "PNG")) as picture:
                # The header is checked before any pixel is decoded.
                if (picture.height, picture.width) == self._size:
                    return np.asarray(picture.convert("RGB"))
                found = f"is {picture.height}x{picture.width} pixels, not {self._size[0]}x{self._size[1]}"
        except DAMAGE as error:
            found = f"cannot be decoded ({type(error).__name__})"
        raise DataError(f"picture {index} of {self._path} {found}: copy the file again (docs/data.md)")


def check_names(name: str, what: str, chosen: tuple[str, ...] | None, known: tuple[str, ...]) -> None:
    """Raise DataError for a task or split that a data set does not have."""
    for wish in chosen or ():
        if wish not in known:
            raise DataError(f"{name} has no {what} {wish!r}: choose from {', '.join(known)}")


def _check(path: Path, key: str, values: Array, form: Form) -> None:
    kind, shape = form
    lengths_fit = values.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, values.shape, strict=True)
    )
    if not lengths_fit or not np.issubdtype(values.dtype, kind):
        raise DataError(
            f"{path} has {key!r} as {values.dtype}{list(values.shape)}, not as {kind.__name__}"
            f"{[n if n is not None else 'N' for n in shape]}: put the right file there (docs/data.md)"
        )
