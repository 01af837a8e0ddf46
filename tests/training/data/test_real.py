"""Readers of real data: on small files of the same form, damaged in many ways, and on the real ones where they are."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pliant.devices.errors import DataError
from pliant.training.data import open_data
from pliant.training.data.batches import collate, epoch_batches
from pliant.training.data.files import find

Array = npt.NDArray[Any]
PLACES = [Path(os.environ.get("PLIANT_DATA", "")), Path(__file__).resolve().parents[4] / "shared" / "data"]
NAMES = {
    "redkitchen": "redkitchen_rgbd_128x160.npz",
    "camvid": "camvid_180x240.npz",
    "cifar100-mtl": "cifar100_test.npz",
}


def real_root(name: str) -> Path:
    for place in PLACES:
        if (place / NAMES[name]).is_file():
            return place
    pytest.skip(f"{NAMES[name]} is neither in $PLIANT_DATA nor in ../shared/data")


def encoded(images: list[Array], form: str, **options: Any) -> tuple[Array, Array]:
    parts = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, form, **options)
        parts.append(np.frombuffer(buffer.getvalue(), dtype=np.uint8))
    return np.concatenate(parts), np.cumsum([0, *(len(part) for part in parts)]).astype(np.int64)


def flat_images(count: int, height: int, width: int) -> list[Array]:
    """Image i is of the grey 20 + 10 i."""
    return [np.full((height, width, 3), 20 + 10 * index, dtype=np.uint8) for index in range(count)]


def kitchen(folder: Path, **changes: Any) -> Path:
    jpeg, offsets = encoded(flat_images(6, 128, 160), "JPEG", quality=95)
    rng = np.random.default_rng(0)
    arrays = {
        "jpeg": jpeg,
        "offsets": offsets,
        "split": np.array([0, 1, 0, 2, 0, 3], dtype=np.uint8),
        "depth_mm": rng.integers(0, 4000, (6, 128, 160)).astype(np.uint16),
        "normal": rng.integers(-124, 125, (6, 128, 160, 3)).astype(np.int8),
        "geo": rng.choice([0, 1, 2, 3, 4, 255], (6, 128, 160)).astype(np.uint8),
        "occ_edge": rng.integers(0, 2, (6, 128, 160)).astype(np.uint8),
    }
    arrays["normal"][:, :4] = 0
    return save(folder, "redkitchen_rgbd_128x160.npz", arrays, changes)


def camvid(folder: Path, **changes: Any) -> Path:
    jpeg, offsets = encoded(flat_images(3, 180, 240), "JPEG")
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_jpeg"], arrays[f"{part}_offsets"] = jpeg, offsets
        arrays[f"{part}_seg"] = rng.integers(0, 12, (3, 180, 240)).astype(np.uint8)
        arrays[f"{part}_edge"] = rng.integers(0, 2, (3, 180, 240)).astype(np.uint8)
    return save(folder, "camvid_180x240.npz", arrays, changes)


def cifar(folder: Path, file: str = "cifar100_test.npz", **changes: Any) -> Path:
    webp, offsets = encoded(flat_images(8, 32, 32), "WEBP", lossless=True)
    arrays = {
        "webp": webp,
        "offsets": offsets,
        "coarse": np.array([0, 1, 0, 19, 1, 0, 5, 1], dtype=np.uint8),
        "within": np.array([0, 4, 1, 2, 3, 2, 0, 1], dtype=np.uint8),
        "fine_names": np.array([f"fine{i}".encode() for i in range(100)]),
        "coarse_names": np.array([f"group{i}".encode() for i in range(20)]),
        "fine_to_coarse": (np.arange(100) % 20).astype(np.uint8),
        "fine_to_within": (np.arange(100) // 20).astype(np.uint8),
    }
    return save(folder, file, arrays, changes)


def save(folder: Path, file: str, arrays: dict[str, Any], changes: dict[str, Any]) -> Path:
    arrays = {key: values for key, values in {**arrays, **changes}.items() if values is not None}
    np.savez_compressed(folder / file, **arrays)
    return folder / file


MAKE = {"redkitchen": kitchen, "camvid": camvid, "cifar100-mtl": cifar}


def test_red_kitchen_labels_are_decoded(tmp_path: Path) -> None:
    path = kitchen(tmp_path)
    data = open_data("redkitchen", "train", root=tmp_path)
    stored = np.load(path)
    assert [task.name for task in data.tasks] == ["depth", "normals", "surfaces", "edges"]
    assert len(data) == 3
    for index, place in enumerate([0, 2, 4]):
        sample = data[index]
        assert abs(int(sample.image[60, 80, 0]) - (20 + 10 * place)) <= 1
        assert np.allclose(sample.targets["depth"], stored["depth_mm"][place] / 1000.0, atol=1e-6)
        assert np.array_equal(sample.targets["surfaces"], stored["geo"][place])
        assert np.array_equal(sample.targets["edges"], stored["occ_edge"][place])
        normals, coded = sample.targets["normals"], stored["normal"][place].astype(float)
        length = np.linalg.norm(coded, axis=-1, keepdims=True)
        assert np.allclose(normals, np.where(length > 0, coded / np.maximum(length, 1), 0), atol=1e-6)
    assert [len(open_data("redkitchen", split, root=tmp_path)) for split in ("validation", "test", "other")] == [1] * 3


def test_camvid_ignores_what_has_no_class(tmp_path: Path) -> None:
    path = camvid(tmp_path)
    data = open_data("camvid", "validation", root=tmp_path)
    seg = np.load(path)["val_seg"]
    target = data[1].targets["segmentation"]
    assert (target == 255).sum() == (seg[1] == 11).sum() > 0
    assert np.array_equal(target[target != 255], seg[1][seg[1] != 11])
    assert len(data.tasks[0].classes) == len(data.tasks[0].colors) == 11


def test_cifar_is_one_task_a_sample(tmp_path: Path) -> None:
    cifar(tmp_path)
    data = open_data("cifar100-mtl", "test", root=tmp_path)
    assert len(data.tasks) == 20
    assert data.tasks[1].classes == ("fine1", "fine21", "fine41", "fine61", "fine81")
    assert {name: int(v) for name, v in data[1].targets.items()} == {"group1": 4}
    batch = collate([data[0], data[1]], data.tasks)
    assert batch.targets["group1"].tolist() == [-1, 4]
    assert batch.targets["group7"].tolist() == [-1, -1]
    few = open_data("cifar100-mtl", "test", root=tmp_path, tasks=("group0", "group5"))
    assert [next(iter(few[i].targets)) for i in range(len(few))] == ["group0", "group0", "group0", "group5"]
    assert [int(few[i].image[0, 0, 0]) for i in range(len(few))] == [20, 40, 70, 80]
    assert len(open_data("cifar100-mtl", "test", root=tmp_path, count=2, tasks=("group1",))) == 2


@pytest.mark.parametrize("name", NAMES)
def test_size_tasks_and_count_are_followed(name: str, tmp_path: Path) -> None:
    MAKE[name](tmp_path)
    data = open_data(name, "test", root=tmp_path, size=(48, 40), count=1)
    assert len(data) == 1
    sample = data[0]
    assert sample.image.shape == (48, 40, 3)
    for task in data.tasks:
        if task.name in sample.targets and task.kind != "classification":
            assert sample.targets[task.name].shape[:2] == (48, 40)
    with pytest.raises(DataError, match="ask for 1 to"):
        open_data(name, "test", root=tmp_path, count=10_000_000)
    with pytest.raises(DataError, match="choose from"):
        open_data(name, "test", root=tmp_path, tasks=("nothing",))
    with pytest.raises(DataError, match="choose from train, validation, test"):
        open_data(name, "tset", root=tmp_path)
    with pytest.raises(IndexError):
        data[1]


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


@pytest.mark.parametrize(
    ("name", "counts"),
    [("redkitchen", (340, 40, 100)), ("camvid", (367, 101, 233)), ("cifar100-mtl", (45000, 5000, 10000))],
)
def test_real_splits_have_the_stated_sizes_and_encodings(name: str, counts: tuple[int, int, int]) -> None:
    root = real_root(name)
    for split, count in zip(("train", "validation", "test"), counts, strict=True):
        data = open_data(name, split, root=root)
        assert len(data) == count
        batch = next(epoch_batches(data, 4, 0, 0))
        for task in data.tasks:
            target = batch.targets[task.name].numpy()
            if task.kind in ("segmentation", "classification"):
                known = target[(target != 255) & (target != -1)]
                assert known.size == 0 or 0 <= known.min() <= known.max() < len(task.classes)
            elif task.kind == "normals":
                length = np.linalg.norm(target, axis=-1)
                assert np.all((np.abs(length - 1) < 1e-3) | (length == 0))
            elif task.kind == "depth":
                assert task.value_range[0] / 1.5 < target[target > 0].min()
                assert target.max() < task.value_range[1]
            else:
                assert set(np.unique(target)) <= {0.0, 1.0}


def test_real_cifar_tasks_are_the_superclasses() -> None:
    data = open_data("cifar100-mtl", "test", root=real_root("cifar100-mtl"), count=2000)
    tasks = {task.name: task.classes for task in data.tasks}
    assert tasks["fish"] == ("aquarium_fish", "flatfish", "ray", "shark", "trout")
    counts = [next(iter(data[index].targets)) for index in range(2000)]
    assert all(counts.count(name) == 100 for name in tasks)
