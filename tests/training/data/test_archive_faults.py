"""Archives that are missing, damaged or of another content: each is one error that names the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pliant.devices.errors import DataError
from pliant.training.data import open_data
from pliant.training.data.files import find

from .archives import MAKE, NAMES, camvid, cifar, encoded, flat_images, kitchen


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named_with_the_places_and_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_data(name, "test", root=tmp_path)
    said = str(caught.value)
    assert all(part in said for part in (NAMES[name], str(tmp_path), "put it there", "docs/data.md"))
    assert "\n" not in said


def test_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work, shared, named = tmp_path / "work", tmp_path / "shared" / "data", tmp_path / "named"
    for folder in (work / "data", shared, named):
        folder.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("PLIANT_DATA", str(named))
    for folder in (work / "data", shared, named):
        (folder / "some.npz").touch()
    assert find("some.npz", None) == named / "some.npz"
    monkeypatch.delenv("PLIANT_DATA")
    assert find("some.npz", None) == shared / "some.npz"
    (shared / "some.npz").unlink()
    assert find("some.npz", None) == work / "data" / "some.npz"
    with pytest.raises(DataError, match=r"some\.npz is not there"):
        # A folder given by name is the only one.
        find("some.npz", tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_one_error(name: str, part: float, tmp_path: Path) -> None:
    path = MAKE[name](tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(DataError, match=path.name):
        open_data(name, "test", root=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_flipped_bytes_are_never_a_traceback(name: str, tmp_path: Path) -> None:
    path = MAKE[name](tmp_path)
    whole = path.read_bytes()
    said = []
    for place in np.linspace(0, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            data = open_data(name, "test", root=tmp_path)
            [data[index] for index in range(len(data))]
        except DataError as error:
            said.append(str(error))
    assert len(said) > 10
    assert not any("\n" in line for line in said)


@pytest.mark.parametrize("content", [b"not an archive", b"\x93NUMPY", b"PK\x03\x04"])
def test_another_kind_of_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAMES["camvid"]).write_bytes(content)
    with pytest.raises(DataError, match=r"camvid_180x240\.npz"):
        open_data("camvid", "test", root=tmp_path)


def test_a_single_array_and_a_pickle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / NAMES["camvid"]
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="not an"):
        open_data("camvid", "test", root=tmp_path)
    camvid(tmp_path, test_seg=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="damaged"):
        open_data("camvid", "test", root=tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"geo": None}, "no array 'geo'"),
        ({"geo": np.zeros((6, 64, 80), np.uint8)}, "'geo' as uint8"),
        ({"depth_mm": np.zeros((6, 128, 160), np.float32)}, "'depth_mm' as float32"),
        ({"geo": np.zeros((5, 128, 160), np.uint8)}, "do not fit"),
        ({"split": np.zeros(9, np.uint8)}, "do not fit"),
        ({"split": np.full(6, 2, np.uint8)}, "do not fit|no pictures"),
        ({"offsets": np.array([0, 5, 3, 9, 12, 14, 20], np.int64)}, "offsets that do not fit"),
        ({"offsets": np.zeros(0, np.int64)}, "offsets that do not fit"),
    ],
)
def test_wrong_content_is_named(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    kitchen(tmp_path, **changes)
    with pytest.raises(DataError, match=said):
        open_data("redkitchen", "train", root=tmp_path)


def test_a_picture_that_is_none_or_of_another_size_is_named(tmp_path: Path) -> None:
    jpeg, offsets = encoded(flat_images(6, 64, 64), "JPEG")
    kitchen(tmp_path, jpeg=jpeg, offsets=offsets)
    with pytest.raises(DataError, match=r"picture 2 .* is 64x64 pixels"):
        open_data("redkitchen", "train", root=tmp_path)[1]
    kitchen(tmp_path, jpeg=np.zeros(60, np.uint8), offsets=np.arange(0, 61, 10))
    with pytest.raises(DataError, match="cannot be decoded"):
        open_data("redkitchen", "train", root=tmp_path)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"within": np.full(8, 5, np.uint8)},
        {"coarse": np.full(8, 20, np.uint8)},
        {"coarse": np.zeros(7, np.uint8)},
        {"fine_to_within": np.zeros(100, np.uint8)},
        {"coarse_names": np.array([b"\xff"] * 20)},
    ],
)
def test_cifar_labels_that_cannot_be_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    cifar(tmp_path, **changes)
    with pytest.raises(DataError, match="copy it again"):
        open_data("cifar100-mtl", "test", root=tmp_path)
