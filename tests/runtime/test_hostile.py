"""Suites that are damaged or lie: a SuiteError in bounded time, or answers that are right; never anything else."""

from __future__ import annotations

import json
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

import pliant

from .making import Made, complaint, images, make, reference


def load_all(path: Path) -> None:
    with pliant.open_suite(path) as suite:
        suite.load("s01-fp32", threads=1).close()


def test_changed_weights_do_not_pass_their_witness(tmp_path: Path) -> None:
    made = make()
    path = made.write(tmp_path / "good.pliant")
    with pliant.open_suite(path) as suite:
        entry = suite.container.entry("weights/mix.weight")
    raw = bytearray(path.read_bytes())
    raw[entry.start : entry.start + 4096] = bytes(4096)
    path.write_bytes(raw)
    with pytest.raises(pliant.SuiteError, match="witness"):
        load_all(path)


@given(st.data())
def test_any_damage_is_an_error_or_changes_no_answer(
    made: Made, suite_path: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(suite_path.read_bytes())
    # The weights are most of the file and the least interesting: aim at header, graphs and records as often.
    at = data.draw(st.one_of(st.integers(0, len(raw) - 1), st.integers(0, 12_000)))
    kind = data.draw(st.sampled_from(["flip", "cut", "splice", "insert", "zero"]))
    if kind == "flip":
        raw[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del raw[at:]
    elif kind == "splice":
        source = data.draw(st.integers(0, len(raw) - 1))
        piece = raw[source : source + data.draw(st.integers(1, 400))]
        raw[at : at + len(piece)] = piece
    elif kind == "insert":
        raw[at:at] = data.draw(st.binary(min_size=1, max_size=16))
    else:
        raw[at : at + 64] = bytes(len(raw[at : at + 64]))
    path = tmp_path_factory.mktemp("fuzz") / "damaged.pliant"
    path.write_bytes(raw)
    start = time.perf_counter()
    batch = images(1)

    def use() -> None:
        with pliant.open_suite(path) as suite:
            for name in ("s01-fp32", "s01-int8"):
                with suite.load(suite.subnet(name), tasks=("depth",), threads=1) as model:
                    expected = reference(made.models[name], batch)["depth"]
                    # A flipped low bit of one weight may pass the witness; it must not move the answer either.
                    np.testing.assert_allclose(model(batch)["depth"], expected, atol=0.6)

    assert "\n" not in complaint(use)
    assert time.perf_counter() - start < 5


@given(st.data())
def test_a_damaged_record_with_a_right_digest_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    made = make()
    blob = bytearray(save(made.records.pop("s01-fp32")))
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    made.tensors["record/s01-fp32"] = np.frombuffer(blob, np.uint8).copy()
    path = made.write(tmp_path_factory.mktemp("record") / "damaged.pliant")
    assert "\n" not in complaint(lambda: load_all(path))


def test_safetensors_itself_opens_a_suite(suite_path: Path) -> None:
    tensors = load(suite_path.read_bytes())
    assert tensors["weights/mix.weight"].shape == (16, 32, 3, 3)
    assert json.loads(zlib.decompress(tensors["digests"].tobytes()))
