"""What was read before is kept as long as there is room, in every data set of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pliant.training.data import cifar100, cifar_files, dense, file_dataset, kept, open_data
from pliant.training.data.kept import Kept

from . import layouts
from .archives import Array, camvid


def test_values_are_kept_up_to_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "ROOM", 10)
    made: list[int] = []

    def get(values: Kept[bytes], number: int, size: int) -> bytes:
        def make() -> bytes:
            made.append(number)
            return bytes(size)

        return values.get(number, make)

    values: Kept[bytes] = Kept(len)
    for number, size in ((0, 6), (1, 5), (2, 4), (3, 1)):
        assert get(values, number, size) == get(values, number, size) == bytes(size)
    # 1 does not fit beside 0, and 3 no longer beside 0 and 2.
    assert made == [0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize("name", ["cifar100-mtl", "camvid", "nyudv2"])
def test_no_data_set_keeps_more_than_the_room(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = (16, 24)
    # Two images of that size, with what else a sample of NYUD weighs there (18 bytes a pixel).
    monkeypatch.setattr(kept, "ROOM", 2 * 16 * 24 * (3 + (18 if name == "nyudv2" else 0)))
    monkeypatch.setattr(cifar_files, "RECORDS", {"train.bin": 200, "test.bin": 100})
    monkeypatch.setattr(cifar100, "HELD_OUT", 50)
    opened: dict[str, tuple[Callable[[Path], Path], Any]] = {
        "cifar100-mtl": (layouts.cifar_binary, cifar100),
        "camvid": (camvid, dense),
        "nyudv2": (layouts.nyud, file_dataset),
    }
    write, module = opened[name]
    write(tmp_path)
    resized: list[int] = []
    resize = module.resize_image

    def counted(image: Array, size: tuple[int, int]) -> Array:
        resized.append(1)
        return np.asarray(resize(image, size))

    monkeypatch.setattr(module, "resize_image", counted)
    data = open_data(name, "test", root=tmp_path, size=size)
    first = [data[index].image for index in range(3)]
    again = [data[index].image for index in range(3)]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert len(resized) == 4
