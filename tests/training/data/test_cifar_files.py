"""CIFAR-100's official files, made small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pliant.devices.errors import DataError
from pliant.training.data import cifar100, cifar_files, open_data

from . import layouts
from .archives import real_root


def small_cifar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar_files, "RECORDS", {"train.bin": 200, "test.bin": 100})
    monkeypatch.setattr(cifar100, "HELD_OUT", 50)


@pytest.mark.parametrize("inside", [False, True])
def test_cifars_binary_version_is_read(inside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_cifar(monkeypatch)
    folder = layouts.cifar_binary(tmp_path)
    found = {
        split: open_data("cifar100-mtl", split, root=folder if inside else tmp_path)
        for split in ("train", "validation", "test")
    }
    assert {split: len(data) for split, data in found.items()} == {"train": 150, "validation": 50, "test": 100}
    data = found["train"]
    # Classes 0, 51, 53, 57 and 83 are fruit and vegetables, superclass 4; class 4 is the first of superclass 0.
    assert data.tasks[4].classes == ("fine0", "fine51", "fine53", "fine57", "fine83")
    assert {name: int(value) for name, value in data[53].targets.items()} == {"group4": 2}
    assert {name: int(value) for name, value in data[4].targets.items()} == {"group0": 0}
    assert data[53].image.shape == (32, 32, 3)
    assert data[53].image[3, 7].tolist() == [53, 0, 0]
    assert found["validation"][0].image[0, 0, 0] == 150


@pytest.mark.parametrize("change", ["cut", "long", "class", "superclass", "names", "no names"])
def test_cifars_binary_version_is_checked(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_cifar(monkeypatch)
    folder = layouts.cifar_binary(tmp_path)
    whole = (folder / "test.bin").read_bytes()
    record = 3074 * 60
    changes = {
        "cut": whole[:-1],
        "long": whole + whole,
        "class": whole[: record + 1] + b"\xc8" + whole[record + 2 :],
        "superclass": whole[:record] + b"\x07" + whole[record + 1 :],
    }
    if change in changes:
        (folder / "test.bin").write_bytes(changes[change])
    elif change == "names":
        (folder / "fine_label_names.txt").write_text("apple\n" * 100)
    else:
        (folder / "coarse_label_names.txt").unlink()
    said = {"class": "picture 60 of class 200", "superclass": "picture 60 of class 60 in superclass 7"}.get(
        change, folder.name
    )
    with pytest.raises(DataError, match=said):
        open_data("cifar100-mtl", "test", root=tmp_path)


def test_cifars_pickles_are_refused_with_what_to_get_instead(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for file in ("train", "test", "meta"):
        (folder / file).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(DataError, match=r"any code: put the binary version \(cifar-100-binary\.tar\.gz"):
        open_data("cifar100-mtl", "train", root=tmp_path)


def test_the_table_of_superclasses_is_the_official_one() -> None:
    content = cifar_files.read_content(real_root("cifar100-mtl") / "cifar100_test.npz")
    names = {task.name: task.classes for task in content.tasks}
    assert list(names) == sorted(names)
    everything = sorted(name for classes in names.values() for name in classes)
    for fine, name in enumerate(everything):
        assert name in names[list(names)[cifar_files._COARSE[fine]]]
        assert names[list(names)[cifar_files._COARSE[fine]]].index(name) == cifar_files._WITHIN[fine]


def test_every_superclass_has_five_classes() -> None:
    assert np.bincount(cifar_files._COARSE).tolist() == [5] * 20
    assert np.bincount(cifar_files._WITHIN).tolist() == [20] * 5
