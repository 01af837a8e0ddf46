"""Weights are read from three kinds of file, and nothing in them is run."""

from __future__ import annotations

import collections
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pliant import DataError
from pliant.training.weights.files import read_weights

TENSORS = {"conv1.weight": torch.arange(6.0).view(2, 3), "bn1.num_batches_tracked": torch.tensor(4)}


def _write(path: Path, content: Any = TENSORS) -> Path:
    if path.suffix == ".safetensors":
        save_file(content, path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in content.items()})
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize("name", ["a.safetensors", "a.npz", "a.pt", "a.pth", "a.bin"])
def test_every_kind_gives_the_same(name: str, tmp_path: Path) -> None:
    found = read_weights(_write(tmp_path / name))
    assert set(found) == set(TENSORS)
    assert all(torch.equal(found[key], tensor) for key, tensor in TENSORS.items())


@pytest.mark.parametrize(
    "content",
    [
        {"epoch": 3, "state_dict": TENSORS},
        {"model": {"state_dict": TENSORS}, "best": 0.7},
        {"state_dict": {"conv1.weight": torch.zeros(2, 3)}, "state_dict_ema": TENSORS},
        collections.OrderedDict((name, torch.nn.Parameter(t, t.is_floating_point())) for name, t in TENSORS.items()),
    ],
)
def test_weights_are_found_in_what_training_programs_save(content: Any, tmp_path: Path) -> None:
    found = read_weights(_write(tmp_path / "a.pth", content))
    assert all(torch.equal(found[key], tensor) for key, tensor in TENSORS.items())
    assert not any(tensor.requires_grad for tensor in found.values())


class Hostile:
    def __reduce__(self) -> Any:
        return (open, ("owned", "w"))


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_would_run_is_refused(protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Hostile()}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Hostile(), protocol))
    np.savez(tmp_path / "c.npz", a=np.array([Hostile()], dtype=object))
    for name in ("a.pt", "b.pt", "c.npz"):
        with pytest.raises(DataError, match=name) as caught:
            read_weights(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt", ".PTH", ".bin"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04pickle", b"\x00" * 64, b"not weights"])
def test_damaged_files_are_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.safetensors", "a.npz", "a.pt"])
def test_files_cut_short_are_refused(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / name, {"conv1.weight": torch.zeros(64, 64)})
    content = path.read_bytes()
    for length in (7, len(content) // 2, len(content) - 9):
        path.write_bytes(content[:length])
        with pytest.raises(DataError):
            read_weights(path)


def _written(path: Path, layout: str) -> bytes:
    content = {"conv1.weight": torch.arange(600.0).view(20, 30), "bn1.num_batches_tracked": torch.tensor(4)}
    if layout == "packed":
        np.savez_compressed(path, **{name: tensor.numpy() for name, tensor in content.items()})  # type: ignore[arg-type]
    elif layout == "old":
        torch.save(content, path, _use_new_zipfile_serialization=False)
    else:
        _write(path, content)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "layout"),
    [("a.safetensors", ""), ("a.npz", ""), ("a.npz", "packed"), ("a.pt", ""), ("a.pth", "old")],
)
def test_changed_bytes_are_read_or_refused(name: str, layout: str, tmp_path: Path) -> None:
    path = tmp_path / name
    whole = _written(path, layout)
    chance = np.random.default_rng(0)
    refused = 0
    for index in range(400):
        changed = bytearray(whole)
        # Headers take every second change: most of what can go wrong is told there.
        within = len(whole) if index % 2 else 400
        for place in chance.integers(0, within, 1 + index % 3):
            changed[place] = chance.integers(0, 256)
        path.write_bytes(changed)
        try:
            read_weights(path)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("shape", ["(1000000000000000,)", "(100000000000000000000000,)", "(" * 90])
def test_a_header_that_lies_is_refused(shape: str, tmp_path: Path) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(181).encode() + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64))
    with pytest.raises(DataError, match=r"a\.npz holds no plain tensors"):
        read_weights(tmp_path / "a.npz")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="put the file there"):
        read_weights(tmp_path / "nowhere.npz")
    (tmp_path / "a.onnx").write_bytes(b"1")
    with pytest.raises(DataError, match=r"is not called \.safetensors, \.npz"):
        read_weights(tmp_path / "a.onnx")
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    np.savez(tmp_path / "words.npz", name=np.array(["a"]))
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    torch.save({"state_dict": {"a": 1}}, tmp_path / "numbers.pt")
    torch.save(torch.zeros(1), tmp_path / "one.pt")
    (tmp_path / "folder.pt").mkdir()
    for name in ("array.npz", "words.npz", "list.pt", "numbers.pt", "one.pt", "folder.pt"):
        with pytest.raises(DataError, match=name):
            read_weights(tmp_path / name)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    spoilt = {"conv1.weight": torch.tensor([1.0, float("nan")])}
    with pytest.raises(DataError, match=r"conv1\.weight is not finite"):
        read_weights(_write(tmp_path / "a.safetensors", spoilt))


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(2, 3).to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (torch.zeros(2, 3, dtype=torch.complex64), "complex64"),
        (torch.zeros(2, 3, device="meta"), "a meta tensor, which has a shape and no values"),
        (torch.zeros(2, 3).to_sparse(), r"float32 \(sparse_coo\)"),
    ],
)
def test_tensors_that_are_not_plain_numbers_are_named(tensor: torch.Tensor, said: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.pt", {"conv1.weight": tensor})
    with pytest.raises(DataError, match=rf"a\.pt: conv1\.weight is {said}: save the weights as plain float32 tensors"):
        read_weights(path)


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions.*are deprecated")
def test_quantized_tensors_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.pt", {"a": torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8)})
    with pytest.raises(DataError, match="a is qint8: save the weights as plain float32"):
        read_weights(path)


def test_float8_in_safetensors_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.safetensors", {"a": torch.zeros(2).to(torch.float8_e5m2)})
    with pytest.raises(DataError, match="a is float8_e5m2: save the weights as plain float32"):
        read_weights(path)
