"""Frames in BGR and NV12 are answered as the same picture in RGB is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pliant
from pliant.runtime.color import taker, to_rgb

from .making import images
from .network import HEIGHT, WIDTH

# Of the tables of BT.601 in limited range: (Y, U, V), and what it is in RGB.
KNOWN = [
    ((16, 128, 128), (0, 0, 0)),
    ((235, 128, 128), (255, 255, 255)),
    ((126, 128, 128), (128, 128, 128)),
    ((81, 90, 240), (254, 0, 0)),
    ((145, 54, 34), (0, 255, 1)),
    ((41, 240, 110), (0, 0, 255)),
    ((0, 128, 128), (0, 0, 0)),
    ((255, 128, 128), (255, 255, 255)),
]


def nv12(y: np.ndarray[Any, Any], u: np.ndarray[Any, Any], v: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(H, W) and two (H/2, W/2) -> (3H/2, W)."""
    return np.concatenate([y, np.stack([u, v], -1).reshape(y.shape[0] // 2, y.shape[1])]).astype(np.uint8)


@pytest.mark.parametrize(("yuv", "rgb"), KNOWN)
def test_known_colours_of_the_standard(yuv: tuple[int, int, int], rgb: tuple[int, int, int]) -> None:
    y, u, v = yuv
    frame = nv12(np.full((4, 6), y), np.full((2, 3), u), np.full((2, 3), v))
    found = to_rgb(frame, "nv12")
    assert found.shape == (4, 6, 3)
    assert found.flags.c_contiguous
    assert np.abs(found.astype(int) - rgb).max() <= 1, found[0, 0]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_every_value_is_that_of_the_formula_in_real_numbers(y: int, u: int, v: int) -> None:
    frame = nv12(np.full((2, 2), y), np.full((1, 1), u), np.full((1, 1), v))
    light, blue, red = 1.164 * max(y - 16, 0), u - 128, v - 128
    wanted = np.clip([light + 1.596 * red, light - 0.391 * blue - 0.813 * red, light + 2.018 * blue], 0, 255)
    assert np.abs(to_rgb(frame, "nv12") - wanted).max() <= 0.501


def test_what_pillow_takes_apart_is_put_together_again() -> None:
    """Blocks of 2x2 of one colour lose nothing but rounding; Pillow's YCbCr is BT.601 in full range."""
    blocks = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    full = np.asarray(Image.fromarray(blocks).convert("YCbCr")).astype(float)
    y = np.round(16 + full[..., 0] * 219 / 255).repeat(2, 0).repeat(2, 1)
    u, v = (np.round(128 + (full[..., index] - 128) * 224 / 255) for index in (1, 2))
    found = to_rgb(nv12(y, u, v), "nv12").astype(int)
    # Rounded twice, each time by a half, and blue by the factor 2.018 of the second.
    assert np.abs(found - blocks.repeat(2, 0).repeat(2, 1)).max() <= 4


def test_each_pair_of_colours_belongs_to_its_block_of_pixels() -> None:
    frame = nv12(np.full((4, 4), 126), np.full((2, 2), 128), np.array([[128, 240], [16, 128]]))
    red = to_rgb(frame, "nv12")[..., 0].astype(int)
    assert (red[:2, :2] == red[0, 0]).all()
    assert (red[2:, 2:] == red[0, 0]).all()
    assert (red[:2, 2:] > red[0, 0]).all()
    assert (red[2:, :2] < red[0, 0]).all()


def test_frames_of_the_three_colours_get_the_same_answer(suite: pliant.Suite) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, HEIGHT * 3 // 2, WIDTH), np.uint8)
    rgb = to_rgb(frames, "nv12")
    with suite.load("s01-fp32", threads=1) as model:
        wanted = model(rgb)
    for color, given_ in (("NV12", frames), ("bgr", np.ascontiguousarray(rgb[..., ::-1]))):
        with suite.load("s01-fp32", threads=1, color=color) as model:
            found, first = model(given_), model(given_[0])
        for task in wanted:
            np.testing.assert_array_equal(found[task], wanted[task])
            np.testing.assert_array_equal(first[task], found[task][0])


def test_a_switch_keeps_the_colour_and_cannot_change_it(suite: pliant.Suite) -> None:
    frame = images(1)[0]
    with suite.load("s01-fp32", threads=1, color="bgr") as model, suite.load("s02-fp32", threads=1) as other:
        model.switch("s02-fp32")
        np.testing.assert_array_equal(model(frame[..., ::-1])["depth"], other(frame)["depth"])
        with pytest.raises(pliant.BudgetError, match="color cannot change in a switch"):
            model.switch(latency="5 ms", color="rgb")


@pytest.mark.parametrize(
    ("color", "wrong", "says"),
    [
        ("nv12", np.zeros((HEIGHT, WIDTH, 3), np.uint8), f"expected uint8 NV12 ({HEIGHT * 3 // 2}, {WIDTH})"),
        ("nv12", np.zeros((720, 640), np.uint8), f"have the camera scale to {WIDTH} wide, {HEIGHT} high, or resize"),
        ("nv12", np.zeros((HEIGHT * 3 // 2, WIDTH), np.int16), "int16"),
        ("nv12", np.zeros((9, HEIGHT * 3 // 2, WIDTH), np.uint8), "1 to 8"),
        ("nv12", "frame.yuv", "str"),
        ("bgr", np.zeros((480, 640, 3), np.uint8), f"expected uint8 BGR ({HEIGHT}, {WIDTH}, 3)"),
        ("bgr", np.zeros((HEIGHT, WIDTH, 3), np.float32), "float32"),
        ("bgr", np.zeros((HEIGHT * 3 // 2, WIDTH), np.uint8), "make grey images BGR"),
    ],
)
def test_wrong_frames_are_one_line_that_says_what_to_do(suite: pliant.Suite, color: str, wrong: Any, says: str) -> None:
    model = suite.load("s01-fp32", tasks="depth", threads=1, color=color)
    with model, pytest.raises(pliant.InputError) as caught:
        model(wrong)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("frames", "color"),
    [
        (np.zeros((5, 4), np.uint8), "nv12"),
        (np.zeros((6, 3), np.uint8), "nv12"),
        (np.zeros((6, 4, 3, 1), np.uint8), "nv12"),
        (np.zeros((0, 4), np.uint8), "nv12"),
        (np.zeros((6, 4), np.uint8), "bgr"),
        (np.zeros((6, 4, 4), np.uint8), "rgb"),
        (np.zeros((6, 4, 3)), "bgr"),
        ([[1, 2]], "rgb"),
    ],
)
def test_what_is_no_frame_is_refused(frames: Any, color: str) -> None:
    with pytest.raises(pliant.InputError):
        to_rgb(frames, color)


def test_an_unknown_colour_names_the_known_ones(suite: pliant.Suite) -> None:
    for wrong in ("yuyv", None, 3):
        with pytest.raises(pliant.BudgetError, match="use rgb, bgr or nv12"):
            suite.load("s01-fp32", color=wrong)  # type: ignore[arg-type]


def test_sizes_that_nv12_cannot_have_are_refused(suite: pliant.Suite) -> None:
    with pytest.raises(pliant.BudgetError, match="whose sizes are even"):
        taker("nv12", replace(suite.input, width=WIDTH + 1))
