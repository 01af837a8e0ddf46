"""`model.stream`: every frame's outputs, in order, from sources that end, fail, reuse their buffer or never end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pliant

from .making import images
from .network import HEIGHT, WIDTH

AHEAD = pytest.mark.parametrize("ahead", [0, 1, 3])


@pytest.fixture
def model(suite: pliant.Suite) -> Iterator[pliant.Model]:
    with suite.load("s01-fp32", tasks="depth", threads=1) as loaded:
        yield loaded


def others() -> set[threading.Thread]:
    return set(threading.enumerate()) - {threading.current_thread()}


@AHEAD
def test_outputs_come_in_order_and_equal_those_of_calls(model: pliant.Model, ahead: int) -> None:
    frames: list[Any] = [*images(5), images(3), images(1)[0][:, ::-1]]
    found = list(model.stream(frames, ahead=ahead))
    assert len(found) == len(frames)
    for outputs, frame in zip(found, frames, strict=True):
        np.testing.assert_array_equal(outputs["depth"], model(frame)["depth"])


def test_a_batch_is_a_stream_of_its_images_and_no_frames_are_no_outputs(model: pliant.Model) -> None:
    assert [outputs["depth"].shape for outputs in model.stream(images(3))] == [(HEIGHT, WIDTH)] * 3
    assert list(model.stream([])) == []


@AHEAD
def test_a_source_may_fill_one_buffer_again_and_again(model: pliant.Model, ahead: int) -> None:
    batch = images(8)

    def source() -> Iterator[Any]:
        buffer = np.empty_like(batch[0])
        for frame in batch:
            buffer[...] = frame
            yield buffer

    for outputs, frame in zip(model.stream(source(), ahead=ahead), batch, strict=True):
        np.testing.assert_array_equal(outputs["depth"], model(frame)["depth"])


@AHEAD
def test_no_more_frames_are_taken_than_asked_for(model: pliant.Model, ahead: int) -> None:
    taken = itertools.count()
    latest = -1
    waiting = threading.Event()

    def source() -> Iterator[Any]:
        nonlocal latest
        for latest in taken:
            if latest == 4 + ahead:
                waiting.set()
            yield images(1)[0]

    stream = model.stream(source(), ahead=ahead)
    for _ in range(5):
        next(stream)
    # Frames 0 to 4 are answered; `ahead` more are taken, however long one waits.
    assert waiting.wait(30)
    assert not threading.Event().wait(0.1)
    assert latest == 4 + ahead
    stream.close()


@AHEAD
def test_an_error_of_the_source_stands_where_its_frame_would(model: pliant.Model, ahead: int) -> None:
    def source() -> Iterator[Any]:
        yield from images(2)
        raise OSError("the camera was unplugged")

    before = others()
    stream = model.stream(source(), ahead=ahead)
    assert [next(stream)["depth"].shape for _ in range(2)] == [(HEIGHT, WIDTH)] * 2
    with pytest.raises(OSError, match="unplugged"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)
    assert others() == before


@AHEAD
def test_a_wrong_frame_is_told_after_the_outputs_of_those_before_it(model: pliant.Model, ahead: int) -> None:
    stream = model.stream([images(1)[0], np.zeros((480, 640, 3), np.uint8), images(1)[0]], ahead=ahead)
    assert "depth" in next(stream)
    with pytest.raises(pliant.InputError, match="resize first"):
        next(stream)
    assert list(stream) == []


@AHEAD
def test_closing_early_leaves_nothing_running(model: pliant.Model, ahead: int) -> None:
    before = others()
    for outputs in model.stream(itertools.repeat(images(1)[0]), ahead=ahead):
        assert outputs
        break
    stream = model.stream(itertools.repeat(images(1)[0]), ahead=ahead)
    next(stream)
    stream.close()
    stream.close()
    model.stream(itertools.repeat(images(1)[0]), ahead=ahead).close()
    assert others() == before


@AHEAD
def test_a_switch_holds_from_the_next_frame_on(suite: pliant.Suite, ahead: int) -> None:
    frame = images(1)[0]
    wanted = {}
    for name in ("s01-fp32", "s03-fp32"):
        with suite.load(name, tasks="depth", threads=1) as plain:
            wanted[name] = plain(frame)["depth"]
    with suite.load("s01-fp32", tasks="depth", threads=1) as model:
        stream = model.stream(itertools.repeat(frame, 6), ahead=ahead)
        for name in ("s01-fp32", "s03-fp32", "s01-fp32"):
            model.switch(name)
            np.testing.assert_array_equal(next(stream)["depth"], wanted[name])
        model.close()
        with pytest.raises(pliant.PliantError, match="closed"):
            next(stream)


@AHEAD
def test_outputs_are_written_into_the_same_arrays(model: pliant.Model, ahead: int) -> None:
    batch = images(4)
    out = {"depth": np.empty((HEIGHT, WIDTH), np.float32)}
    for outputs, frame in zip(model.stream(batch, ahead=ahead, out=out), batch, strict=True):
        assert outputs is out
        np.testing.assert_array_equal(out["depth"], model(frame)["depth"])


def test_frames_of_a_camera_in_nv12(suite: pliant.Suite) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, HEIGHT * 3 // 2, WIDTH), np.uint8)
    with suite.load("s01-fp32", tasks="depth", threads=1, color="nv12") as model:
        for outputs, frame in zip(model.stream(frames, ahead=1), frames, strict=True):
            np.testing.assert_array_equal(outputs["depth"], model(frame)["depth"])


def test_several_streams_of_one_model_do_not_meet(model: pliant.Model) -> None:
    batch = images(6)
    pairs = zip(model.stream(batch, ahead=1), model.stream(batch[::-1], ahead=2), strict=True)
    for index, (forth, back) in enumerate(pairs):
        np.testing.assert_array_equal(forth["depth"], model(batch[index])["depth"])
        np.testing.assert_array_equal(back["depth"], model(batch[5 - index])["depth"])


def test_wrong_requests_are_told_before_the_first_frame(model: pliant.Model) -> None:
    with pytest.raises(pliant.InputError, match="frames are a int"):
        model.stream(3)  # type: ignore[arg-type]
    for ahead in (-1, 65, 1.0, True, "1"):
        with pytest.raises(pliant.InputError, match="from 0 to 64"):
            model.stream([], ahead=ahead)  # type: ignore[arg-type]
