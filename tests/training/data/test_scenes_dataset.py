"""The `scenes` data set: rendered when asked for, kept in memory and on disk, in several processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pliant.devices.errors import DataError
from pliant.training.data import open_data
from pliant.training.data.sample import Sample
from pliant.training.data.scenes import render
from pliant.training.data.scenes.dataset import Scenes
from pliant.training.data.scenes.store import CHUNK, chunk_path, decode, encode, pack
from pliant.training.data.scenes.worker import Worker, render_chunk

SIZE = (16, 24)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLIANT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same(one: Sample, other: Sample) -> bool:
    return np.array_equal(one.image, other.image) and all(
        np.array_equal(values, other.targets[name]) and values.dtype == other.targets[name].dtype
        for name, values in one.targets.items()
    )


def everything(data: Scenes) -> list[Sample]:
    return [data[index] for index in range(len(data))]


def test_a_sample_is_the_rendered_picture_within_the_stated_precision() -> None:
    kept, exact = Scenes("train", count=3, size=SIZE)[2], render(0, 2, SIZE, "train")
    assert np.array_equal(kept.image, exact.image)
    assert np.array_equal(kept.targets["segmentation"], exact.targets["segmentation"])
    assert np.abs(kept.targets["depth"] - exact.targets["depth"]).max() <= 5.1e-4
    assert np.abs(kept.targets["normals"] - exact.targets["normals"]).max() < 1e-3


def test_lazy_parallel_and_stored_samples_are_the_same_bytes(cache: Path) -> None:
    count = CHUNK + 5
    seen: list[tuple[int, int]] = []
    lazy = everything(Scenes("train", count=count, size=SIZE, disk=False))
    built = Scenes("train", count=count, size=SIZE)
    built.prepare(2, lambda done, total: seen.append((done, total)))
    files = sorted(cache.rglob("*.npz"))
    again = Scenes("train", count=count, size=SIZE)
    assert len(files) == 2
    assert seen == [(0, count), (CHUNK, count), (count, count)]
    for other in (built, again):
        assert all(same(a, b) for a, b in zip(lazy, everything(other), strict=True))
    assert not list(cache.rglob("*.part"))


def test_stored_pictures_are_read_rather_than_rendered() -> None:
    Scenes("train", count=4, size=SIZE).prepare(1)
    path = chunk_path(0, "train", SIZE, 0)
    path.write_bytes(render_chunk(7, "train", SIZE, 0, 4))
    assert same(Scenes("train", count=4, size=SIZE)[0], Scenes("train", count=4, size=SIZE, seed=7, disk=False)[0])


def test_fewer_pictures_use_the_same_chunks_and_more_render_the_rest() -> None:
    Scenes("train", count=6, size=SIZE).prepare(1)
    more = Scenes("train", count=9, size=SIZE)
    more.prepare(1)
    assert same(more[8], Scenes("train", count=9, size=SIZE, disk=False)[8])
    assert same(Scenes("train", count=2, size=SIZE)[1], more[1])


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "other", "folder"])
def test_a_damaged_cache_is_rendered_again(harm: str) -> None:
    Scenes("train", count=3, size=SIZE).prepare(1)
    path = chunk_path(0, "train", SIZE, 0)
    whole = path.read_bytes()
    if harm == "truncate":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "flip":
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "other":
        path.write_bytes(render_chunk(0, "train", (8, 8), 0, 3))
    else:
        path.unlink()
        path.mkdir()
    data = Scenes("train", count=3, size=SIZE)
    data.prepare(1)
    assert same(data[1], Scenes("train", count=3, size=SIZE, disk=False)[1])
    if harm != "folder":
        assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PLIANT_CACHE", str(tmp_path / "file"))
    data = Scenes("train", count=2, size=SIZE)
    data.prepare(1)
    assert same(data[0], Scenes("train", count=2, size=SIZE, disk=False)[0])


def test_a_killed_worker_answers_none() -> None:
    with Worker() as worker:
        first = worker.render(0, "train", SIZE, 0, 2)
        assert first == render_chunk(0, "train", SIZE, 0, 2)
        os.kill(worker._process.pid, signal.SIGKILL)
        worker._process.wait()
        assert worker.render(0, "train", SIZE, 0, 2) is None


def test_workers_need_no_guarded_main_module(tmp_path: Path) -> None:
    """A script from standard input has no main module that another process could import."""
    script = (
        "from pliant.training.data import open_data\n"
        f"d = open_data('scenes', 'train', count={CHUNK + 1}, size={SIZE}, progress=lambda done, total: None)\n"
        "print(len(d))\n"
    )
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == str(CHUNK + 1)
    assert done.stderr == ""


def test_samples_may_be_written_to() -> None:
    data = Scenes("train", count=1, size=SIZE)
    first = data[0]
    first.image[:] = 0
    first.targets["segmentation"][:] = 9
    assert same(data[0], Scenes("train", count=1, size=SIZE, disk=False)[0])


def test_chunks_survive_the_round_trip() -> None:
    samples = [pack(render(0, index, SIZE, "test")) for index in range(2)]
    back = decode(encode(samples), SIZE)
    assert back is not None
    assert all(same(a, b) for a, b in zip(samples, back, strict=True))


def test_tasks_are_chosen_by_name() -> None:
    data = open_data("scenes", "test", count=1, size=SIZE, tasks=("edges", "depth"))
    assert [task.name for task in data.tasks] == ["depth", "edges"]
    assert set(data[0].targets) == {"depth", "edges"}


def test_indices_end_where_the_data_ends() -> None:
    data = Scenes("train", count=2, size=SIZE)
    assert len(everything(data)) == 2
    for index in (-1, 2):
        with pytest.raises(IndexError):
            data[index]


@pytest.mark.parametrize(
    ("name", "split", "options", "said"),
    [
        ("scene", "train", {}, "choose one of scenes"),
        ("scenes", "trian", {}, "choose from train"),
        ("scenes", "train", {"count": 0}, "one or more"),
        ("scenes", "train", {"seed": -1}, "0 or more"),
        ("scenes", "train", {"size": (0, 4)}, "choose sides"),
        ("scenes", "train", {"tasks": ("depths",)}, "choose from segmentation"),
        ("scenes", "train", {"tasks": ()}, "name one or more"),
    ],
)
def test_wishes_that_cannot_be_met_are_one_line(name: str, split: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        open_data(name, split, **options)
    assert "\n" not in str(caught.value)
