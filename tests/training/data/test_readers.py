"""Pictures to train on are read as `pliant run` reads those to answer, whatever numbers they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pliant.cli.pictures import read_image
from pliant.devices.errors import DataError
from pliant.training.data.readers import read_picture

from . import layouts


@pytest.mark.parametrize(("name", "kind"), [("deep.png", np.uint16), ("deep.tif", np.uint16), ("wide.tif", np.int32)])
def test_grey_of_16_bits_is_neither_white_nor_other_than_where_it_is_run(
    name: str, kind: type[np.generic], tmp_path: Path
) -> None:
    grey = np.linspace(0, 255, 48 * 64).reshape(48, 64).astype(np.uint8)
    path = layouts.picture(tmp_path / name, (grey.astype(np.uint16) * 257).astype(kind))
    found = read_picture(path)
    assert np.array_equal(found, np.repeat(grey[..., None], 3, axis=2))
    assert np.array_equal(found, read_image(path))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((8, 8), 0.5, np.float32), "holds floating-point numbers: save it as an image of 8 bits"),
        (np.full((8, 8), 1 << 20, np.int32), "holds numbers of 32 bits: save it as an image of 8 bits"),
        (np.full((8, 8), -1, np.int32), "holds numbers of 32 bits: save it as an image of 8 bits"),
    ],
)
def test_numbers_that_are_no_picture_are_refused(values: layouts.Array, said: str, tmp_path: Path) -> None:
    path = layouts.picture(tmp_path / "numbers.tif", values)
    with pytest.raises(DataError, match=f"numbers.tif {said}"):
        read_picture(path)


def test_a_camera_that_was_turned_gives_upright_pictures(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4) << 8).save(tmp_path / "turned.png", exif=turned)
    found = read_picture(tmp_path / "turned.png")
    assert found[..., 0].tolist() == [[8, 4, 0], [9, 5, 1], [10, 6, 2], [11, 7, 3]]
