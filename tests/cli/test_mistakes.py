"""A mistake gets one plain line on stderr with what to do, nothing on stdout, and exit code 1 or 2."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pliant import SuiteError

from .conftest import Terminal

FAILED, MISUSED = 1, 2

MISUSES: list[tuple[str, str]] = [
    ("plan {suite} --latency '15 parsecs'", "parsecs"),
    ("plan {suite} --latency 15", "unit"),
    ("plan {suite} --latency nan", "latency"),
    ("plan {suite} --macs -2G", "macs"),
    ("plan {suite} --memory '12 ms'", "memory"),
    ("plan {suite} --prefer sound=2", "sound"),
    ("plan {suite} --prefer depth", "depth"),
    ("plan {suite} --prefer depth=two", "depth"),
    ("plan {suite} --prefer depth=1 --prefer depth=2", "twice"),
    ("plan {suite} --floor sound=2", "sound"),
    ("plan {suite} --tasks depth,sound", "sound"),
    ("plan {suite} --tasks ,", "task"),
    ("plan {suite} --macs 2G --quantile 7", "quantile"),
    ("plan {suite} --latency 1s --measure sometimes", "'auto', 'never' or 'known'"),
    ("plan {suite} --latency 1s --provider abacus", "abacus"),
    ("plan {suite} --threads many", "--threads"),
    ("plan {suite} --latncy 15ms", "--latency"),
    ("plan", "MODEL.pliant"),
    ("plam {suite}", "plam"),
    ("run {suite}", "images"),
    ("run {photo}", "images"),
    ("run {no_suffix}", "images"),
    ("run {suite} {photo} --subnet s99", "s99"),
    ("run {suite} {photo} --subnet s01-fp32 --macs 2G", "not both"),
    ("bench {suite} --subnet s99", "s99"),
    ("bench {suite} --runs 1", "--runs"),
    ("verify {suite} --subnet s99", "s99"),
    ("sign {suite}", "--key"),
    ("extract {suite} s99 --out x.onnx", "`pliant inspect` lists its 4"),
    ("extract {suite} s01-fp32 --target abacus --out x.onnx", "abacus"),
    ("extract {suite} s01-fp32", "--out"),
    ("train", "RECIPE"),
    ("search folder --prefer depth=x --out front.json", "depth"),
    ("search folder --max-bytes 20 --out front.json", "bytes 20 has no unit"),
]

FAILURES: list[tuple[str, str]] = [
    ("inspect nowhere.pliant", "nowhere.pliant"),
    ("sign {suite} --key nowhere.pem", "nowhere.pem"),
    ("sign {damaged} --key {photo}", "openssl genpkey"),
    ("verify {suite} --key {photo}", "openssl pkey"),
    ("inspect .", "."),
    ("inspect {photo}", "not a suite"),
    ("inspect {empty}", "empty"),
    ("inspect {truncated}", "truncated"),
    ("plan {truncated} --macs 2G", "truncated"),
    ("run {photo} {photo}", "not a suite"),
    ("run {suite} nowhere.png", "nowhere.png"),
    ("run {suite} {suite}", "not an image"),
    ("run {suite} . --macs 2G", "folder"),
    ("run {suite} {half_photo} --macs 2G", "half.png"),
    ("run {suite} {flat} --macs 2G", "(height, width, 3)"),
    ("run {suite} {floats} --macs 2G", "uint8"),
    ("run {suite} {no_pixels} --macs 2G", "without pixels"),
    ("run {suite} {lying} --macs 2G", "lying.npy"),
    ("run {suite} {photo} --macs 2G --out {photo}", "photo.png: it is a file, not a folder; choose another --out"),
    ("run {suite} {photo} --macs 2G --out {photo}/x", "photo.png is a file, not a folder; choose another --out"),
    ("plan {suite} --macs 1k", "s01"),
    ("plan {suite} --floor floor=0.99", "floor"),
    ("extract {suite} s01-fp32 --target tensorrt --out x.onnx", "tensorrt"),
    ("extract {suite} s01-fp32 --out {suite}/x.onnx", "made.pliant is a file, not a folder; choose"),
    ("extract {suite} s01-fp32 --out ''", "folder"),
    ("extract {suite} s01-fp32 --out /proc/x.onnx", "/proc/x.onnx"),
    ("profile {suite} --out .", "folder"),
    ("profile {suite} --out {suite}/here.json", "cannot be written"),
    ("profile {suite} --out /proc/here.json", "/proc/here.json"),
    ("build {suite}", "for tensorrt: export it with that target"),
    ("verify {damaged}", "damaged"),
    ("train no-such-recipe --out out", "no-such-recipe"),
    ("train scenes-demo --out {photo}", "photo.png: it is a file, not a folder; choose another folder with --out"),
    ("demo --out {photo}", "photo.png cannot be made: it is a file, not a folder; choose another --out"),
    ("train {unknown_key} --out out", "epochz"),
    ("train scenes-demo --set training.epochz=3 --out out", "epochz"),
    ("search nowhere --out front.json", "nowhere"),
    ("export nowhere --front front.json --out x.pliant", "nowhere"),
]


@pytest.fixture
def files(suite: Path, photo: Path, tmp_path: Path) -> dict[str, Path]:
    """Files by what is wrong with them."""
    good = suite.read_bytes()
    middle = len(good) * 3 // 4
    changed = good[:middle] + bytes([good[middle] ^ 0xFF]) + good[middle + 1 :]
    made = {
        "truncated": ("truncated.pliant", good[: len(good) // 2]),
        "damaged": ("damaged.pliant", changed),
        "empty": ("empty.pliant", b""),
        "half_photo": ("half.png", photo.read_bytes()[:900]),
        "no_suffix": ("suite", good),
        "lying": ("lying.npy", _npy_header((1 << 21, 1 << 21, 3))),
        "unknown_key": ("recipe.yaml", b"data: {name: scenes}\ntraining: {epochz: 3}\n"),
    }
    found = {"suite": suite, "photo": photo}
    for key, (name, data) in made.items():
        found[key] = tmp_path / name
        found[key].write_bytes(data)
    wrong: dict[str, np.ndarray[Any, Any]] = {
        "flat": np.zeros((16, 24), np.uint8),
        "floats": np.zeros((16, 24, 3), np.float32),
        "no_pixels": np.zeros((0, 5, 3), np.uint8),
    }
    for key, array in wrong.items():
        found[key] = tmp_path / f"{key}.npy"
        np.save(found[key], array)
    return found


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of an array file that promises `shape`, and nothing after them."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def check(pliant: Terminal, files: dict[str, Path], line: str, code: int, fragment: str) -> None:
    import shlex

    said = pliant(*(word.format(**files) for word in shlex.split(line)))
    assert said.code == code, said.err
    assert said.out == "" or line.startswith("verify")
    assert fragment in said.err
    assert len(said.err.splitlines()) == 1
    assert "Traceback" not in said.err
    assert "unexpected" not in said.err
    assert not any(drawn in said.err for drawn in "╭│╰─")


@pytest.mark.parametrize(("line", "fragment"), MISUSES)
def test_misused(pliant: Terminal, files: dict[str, Path], line: str, fragment: str) -> None:
    check(pliant, files, line, MISUSED, fragment)


@pytest.mark.parametrize(("line", "fragment"), FAILURES)
def test_failed(pliant: Terminal, files: dict[str, Path], line: str, fragment: str) -> None:
    check(pliant, files, line, FAILED, fragment)


def test_a_place_that_cannot_be_written_is_found_out_before_measuring(
    pliant: Terminal, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(*_: object, **__: object) -> None:
        raise AssertionError("measured for nothing")

    monkeypatch.setattr("pliant.runtime.planning.profiling.profile_suite", measured)
    said = pliant("profile", suite, "--out", "/proc/here.json")
    assert (said.code, said.out) == (FAILED, "")


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("extract {suite} s02-fp32 --out {out}", "made.pliant"),
        ("extract {suite} s02-fp32 --out {out}", "made.onnx"),  # whose .data the suite is
        ("profile {suite} --out {out}", "made.pliant"),
        ("export {folder} --front {suite} --out {out}", "made.pliant"),
        ("search {folder} --device {suite} --out {out}", "made.json"),  # which the suite is by another name
        ("run {suite} {folder}/photo.depth.png {folder}/photo.png --out {folder}", ""),
    ],
)
def test_what_is_read_is_never_replaced(
    pliant: Terminal, suite: Path, photo: Path, tmp_path: Path, line: str, out: str
) -> None:
    own = tmp_path / ("made.onnx.data" if out.endswith(".onnx") else "made.pliant")
    own.write_bytes(suite.read_bytes())
    (tmp_path / "made.json").symlink_to(own)
    with Image.open(photo) as image:
        for name in ("photo.png", "photo.depth.png"):
            image.save(tmp_path / name)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    said = pliant(*line.format(suite=own, folder=tmp_path, out=tmp_path / out).split())
    assert (said.code, said.out) == (FAILED, ""), said.err
    assert len(said.err.splitlines()) == 1, said.err
    assert "choose another" in said.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


READERS = (
    "inspect {suite}",
    "run {suite} nowhere",
    "search {photo} --device {photo} --out x",
    "train x --out .",
    "data check x --root .",
)


@pytest.mark.parametrize("line", [*READERS, "export {photo} --front {photo} --out {photo}"])
def test_whether_a_file_can_be_read_is_found_out_by_reading(
    pliant: Terminal, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """typer's own check would call an unreadable file misuse, and one in an unreadable folder not."""
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    said = pliant(*line.format(**files).split())
    assert said.code in (0, FAILED)
    assert "readable" not in said.err


def test_what_a_message_quotes_reaches_no_terminal_raw(
    pliant: Terminal, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise SuiteError("the node '\x1b]0;owned\x07\u202e\x9b31m' is wrong")

    monkeypatch.setattr("pliant.cli.showing.print_suite", broken)
    said = pliant("inspect", suite)
    assert said.err.strip().isprintable()
    assert "\\x1b]0;owned\\x07\\u202e\\x9b31m" in said.err


def test_the_traceback_is_there_for_those_who_ask(
    pliant: Terminal, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLIANT_DEBUG", "1")
    said = pliant("inspect", files["truncated"])
    assert said.code == FAILED
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith(str(files["truncated"]))


def test_an_image_that_is_a_bomb_is_refused(
    pliant: Terminal, suite: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    said = pliant("run", suite, photo, "--subnet", "s01-fp32")
    assert said.code == FAILED
    assert len(said.err.splitlines()) == 1


def test_what_was_not_foreseen_is_one_line_too(pliant: Terminal, suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Callable[..., None]:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("pliant.cli.showing.print_suite", broken)
    said = pliant("inspect", suite)
    assert said.code == FAILED
    assert said.err == "unexpected RuntimeError: two lines (PLIANT_DEBUG=1 shows where)\n"
