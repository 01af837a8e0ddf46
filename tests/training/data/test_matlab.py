"""The reader of `.mat` files: what scipy writes is read, and nothing that is damaged does worse than one error."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import savemat

from pliant.devices.errors import DataError
from pliant.training.data import matlab
from pliant.training.data.matlab import Unsupported, read_mat
from pliant.training.data.readers import read_array, read_matlab

from . import layouts

KINDS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
DAMAGE = (ValueError, struct.error, zlib.error, IndexError)
FILE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FILE
@given(st.data(), st.sampled_from(KINDS), st.booleans())
def test_numbers_of_every_type_and_shape(tmp_path: Path, data: st.DataObject, kind: str, packed: bool) -> None:
    shape = arrays.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=5)
    values = data.draw(arrays.arrays(kind, shape))
    savemat(tmp_path / "a.mat", {"first": values, "second": values > 0}, do_compression=packed)
    found = read_mat(tmp_path / "a.mat")
    assert list(found) == ["first", "second"]
    assert found["first"].dtype == values.dtype
    assert np.array_equal(found["first"], values, equal_nan=values.dtype.kind == "f")
    assert found["second"].dtype == bool
    assert np.array_equal(found["second"], values > 0)


@pytest.mark.parametrize("packed", [False, True])
def test_structs_cells_and_text(packed: bool, tmp_path: Path) -> None:
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.eye(2), "sofa"
    content = {"text": "a room", "cells": cells, "thing": {"name": "bed", "inner": {"mask": np.eye(3, dtype=np.uint8)}}}
    savemat(tmp_path / "a.mat", content, do_compression=packed)
    found = read_mat(tmp_path / "a.mat")
    assert found["text"] == "a room"
    assert np.array_equal(found["cells"][0], np.eye(2))
    assert found["cells"][1] == "sofa"
    assert [record["name"] for record in found["thing"]] == ["bed"]
    assert np.array_equal(found["thing"][0]["inner"][0]["mask"], np.eye(3))


def test_a_big_endian_file(tmp_path: Path) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    parts = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 2, 1)) + element(1, b"depth")
    body = element(14, parts + element(9, struct.pack(">dd", 1.5, 2.5)))
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + body)
    found = read_mat(tmp_path / "a.mat")["depth"]
    assert found.tolist() == [[1.5], [2.5]]
    assert found.dtype.isnative


def whole(path: Path, packed: bool) -> bytes:
    content: dict[str, Any] = layouts.anno((15, [("head", layouts.halves(1, 0))]), (12, []))
    savemat(path, {**content, "depth": np.ones((4, 5))}, do_compression=packed)
    return path.read_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_file_is_at_worst_an_error(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    content = whole(path, packed)
    chance = np.random.default_rng(0)
    refused = 0
    for index in range(400):
        changed = bytearray(content)
        for place in chance.integers(0, len(content), 1 + index % 3):
            changed[place] = chance.integers(0, 256)
        path.write_bytes(changed if index % 2 else content[: chance.integers(0, len(content))])
        try:
            read_matlab(path)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
    assert refused > 150


def test_lying_counts_do_not_ask_for_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    content = whole(path, packed=False)
    for length in (2**31 - 1, 2**28, -1):
        # The shape of the struct `anno`: its matrix starts with the flags, then come the dimensions.
        path.write_bytes(content[:160] + struct.pack("<ii", length, 4) + content[168:])
        with pytest.raises(DAMAGE):
            read_mat(path)


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "_LARGEST", 1 << 20)
    path = tmp_path / "a.mat"
    body = zlib.compress(b"\0" * (8 << 20), 1)
    path.write_bytes(whole(path, packed=False)[:128] + struct.pack("<II", 15, len(body)) + body)
    with pytest.raises(ValueError, match="larger than 256 MB"):
        read_mat(path)


def test_a_bomb_behind_what_fills_the_limit_exactly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"first": np.zeros((8, 8))}, do_compression=True)
    content = path.read_bytes()
    (length,) = struct.unpack_from("<I", content, 132)
    monkeypatch.setattr(matlab, "_LARGEST", len(zlib.decompress(content[136 : 136 + length])))
    assert list(read_mat(path)) == ["first"]
    body = zlib.compress(b"\0" * (8 << 20), 1)
    path.write_bytes(content + struct.pack("<II", 15, len(body)) + body)
    with pytest.raises(ValueError, match="larger than 256 MB"):
        read_mat(path)


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(600))
    with pytest.raises(Unsupported, match="save it with -v7"):
        read_mat(path)
    with pytest.raises(DataError, match=r"a\.mat is a Matlab file of version 7\.3"):
        read_array(path, "depth")
    savemat(path, {"depths": np.ones((2, 2)), "text": "x"})
    with pytest.raises(DataError, match=r"has no variable 'depth', but depths, text"):
        read_array(path, "depth")
    with pytest.raises(DataError, match="something other than numbers as 'text'"):
        read_array(path, "text")
    savemat(path, {"depth": np.ones((2, 2))}, format="4")
    with pytest.raises(DataError, match=r"a\.mat cannot be read"):
        read_array(path, "depth")
