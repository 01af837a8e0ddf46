"""Reading at offsets: the same as slicing the whole tensor, and an error when the file changes under the reader."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import pliant
from pliant.runtime.format.container import Container

PAGE = 4096


def ranges_of(size: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Ascending ranges within [0, size)."""
    cuts = st.lists(st.integers(0, size), min_size=2, max_size=6, unique=True).map(sorted)
    return cuts.map(lambda points: list(zip(points[::2], points[1::2], strict=False)))


@st.composite
def views(draw: st.DrawFn) -> tuple[tuple[int, ...], list[list[tuple[int, int]]]]:
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)))
    axes = draw(st.integers(0, len(shape)))
    return shape, [draw(ranges_of(size)) for size in shape[:axes]]


@given(views(), st.booleans())
def test_a_view_equals_slicing_the_whole_tensor(
    tmp_path_factory: pytest.TempPathFactory, view: tuple[tuple[int, ...], Any], wide: bool
) -> None:
    shape, ranges = view
    if wide and len(shape) > 1:
        # Rows long enough that skipping within them pays.
        shape = (shape[0], shape[1] * 1000, *shape[2:])
        ranges = [ranges[0], [(a * 10, b * 10) for a, b in ranges[1]], *ranges[2:]] if len(ranges) > 1 else ranges
    tensor = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    path = tmp_path_factory.mktemp("view") / "one.safetensors"
    save_file({"before": np.ones(3, np.int8), "x": tensor}, path)
    expected = tensor
    for axis, pieces in enumerate(ranges):
        expected = np.take(expected, [index for start, stop in pieces for index in range(start, stop)], axis)
    container = Container(path)
    found = container.read("x", ranges)
    container.close()
    assert found.flags.c_contiguous
    assert found.flags.owndata or found.base is not None
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=60)
@given(st.integers(1, 6), ranges_of(6), ranges_of(40), st.sampled_from([1, 25, 300]), st.data())
def test_no_page_is_read_that_holds_nothing_of_the_view(
    tmp_path_factory: pytest.TempPathFactory,
    rows: int,
    first: list[tuple[int, int]],
    second: list[tuple[int, int]],
    inner: int,
    data: st.DataObject,
) -> None:
    shape = (6, 40 * rows, inner)
    ranges = [first, [(start * rows, stop * rows) for start, stop in second]]
    if data.draw(st.booleans()):
        ranges.append(data.draw(ranges_of(inner).filter(bool)) if inner > 1 else [(0, 1)])
    path = tmp_path_factory.mktemp("pages") / "one.safetensors"
    save_file({"x": np.arange(np.prod(shape), dtype=np.float32).reshape(shape)}, path)
    container = Container(path)
    touched: set[int] = set()

    def watched(fd: int, buffers: Any, offset: int) -> int:
        count = preadv(fd, buffers, offset)
        touched.update(range(offset // PAGE, -(-(offset + count) // PAGE)))
        return count

    preadv = os.preadv
    with mock.patch("os.preadv", watched):
        container.read("x", ranges)
    start = container.entry("x").start
    container.close()
    indices = np.arange(np.prod(shape)).reshape(shape)
    for axis, pieces in enumerate(ranges[:2]):  # of channels; kernels are never cut in a page of their own
        indices = np.take(indices, [index for low, high in pieces for index in range(low, high)], axis)
    bytes_of = start + indices.ravel()[:, None] * 4 + np.array([0, 3])
    assert touched == set((bytes_of // PAGE).ravel().tolist())


def test_paths_that_are_no_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, says in (("absent", "does not exist"), (".", "not a file"), ("pipe", "not a file"), ("a\0b", "cannot")):
        with pytest.raises(pliant.SuiteError, match=says):
            pliant.open_suite(tmp_path / name)


def copy_of(path: Path, folder: Path) -> Path:
    out = folder / "copy.pliant"
    out.write_bytes(path.read_bytes())
    return out


def test_truncated_while_open(suite_path: Path, tmp_path: Path) -> None:
    path = copy_of(suite_path, tmp_path)
    with pliant.open_suite(path) as suite:
        os.truncate(path, 30_000)
        for subnet in suite.subnets:
            with pytest.raises(pliant.SuiteError):
                suite.load(subnet, threads=1)


def test_overwritten_in_place_while_open(suite_path: Path, tmp_path: Path) -> None:
    path = copy_of(suite_path, tmp_path)
    with pliant.open_suite(path) as suite:
        with open(path, "r+b") as file:
            file.seek(suite.container.entry("weights/left.weight").start)
            file.write(b"\x11" * 64)
        os.utime(path, ns=(1, 1))
        with pytest.raises(pliant.SuiteError, match="changed while it was open"):
            suite.load("s01-fp32", threads=1)


def test_replaced_by_rename_while_open_stays_what_it_was(suite_path: Path, tmp_path: Path) -> None:
    path = copy_of(suite_path, tmp_path)
    with pliant.open_suite(path) as suite:
        other = tmp_path / "other"
        other.write_bytes(b"something else")
        os.replace(other, path)
        with suite.load("s01-fp32", threads=1) as model:
            assert model.subnet.id == "s01-fp32"
    with pytest.raises(pliant.SuiteError):
        pliant.open_suite(path)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")
def test_a_suite_that_nobody_holds_keeps_no_file_open_but_a_model_of_it_does(suite_path: Path) -> None:
    def opened() -> int:
        gc.collect()
        return sum(os.path.realpath(link) == str(suite_path.resolve()) for link in Path("/proc/self/fd").iterdir())

    before = opened()
    model = pliant.open_suite(suite_path).load("s01-fp32", threads=1)
    assert opened() == before + 1
    model.switch("s02-fp32")
    model.close()
    del model
    assert opened() == before


def test_closing_while_others_read_is_an_error_for_them_and_nothing_worse(suite_path: Path) -> None:
    container = Container(suite_path)
    expected = container.read("weights/mix.weight")
    problems: list[str] = []
    started = threading.Barrier(5)

    def read() -> None:
        started.wait()
        try:
            for _ in range(2000):
                if not np.array_equal(container.read("weights/mix.weight"), expected):
                    problems.append("other bytes")
        except pliant.SuiteError as error:
            if "closed" not in str(error):
                problems.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    started.wait()
    container.close()
    container.close()
    for reader in readers:
        reader.join()
    assert problems == []
    with pytest.raises(pliant.SuiteError, match="closed"):
        container.check_unchanged()
