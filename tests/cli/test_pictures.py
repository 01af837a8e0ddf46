"""Pictures as cameras write them, and what is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pliant.cli.pictures import read_image
from pliant.devices.errors import InputError


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_grey_of_16_bits_is_as_bright_as_in_8(name: str, tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / name)
    found = read_image(tmp_path / name)
    np.testing.assert_array_equal(found, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("values", [np.full((8, 8), 0.5, np.float32), np.full((8, 8), 1 << 20, np.int32)])
def test_numbers_that_are_no_picture_are_refused(values: np.ndarray[Any, Any], tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "numbers.tif")
    with pytest.raises(InputError, match="8 bits a channel"):
        read_image(tmp_path / "numbers.tif")
