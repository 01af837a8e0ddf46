"""A disk that fills up while a training writes costs nothing that was there."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from pliant import CheckpointError
from pliant.training.checkpoints.checkpoint import load_checkpoint
from pliant.training.checkpoints.writing import add_metrics
from pliant.training.data.scenes.store import write_chunk
from pliant.training.loop import train
from pliant.training.progress import MetricsLog, Silent, StepReport

from ..full_disk import largest_file
from .disks import SHORT, contents, report, save
from .tiny import tiny_recipe


@pytest.mark.parametrize("size", [0, 100_000, 2_000_000])
def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(size: int, tmp_path: Path) -> None:
    save(tmp_path, 1)
    before = contents(tmp_path)
    with largest_file(size), pytest.raises(CheckpointError, match=r"step-000002: File too large; what was there"):
        save(tmp_path, 2)
    assert contents(tmp_path) == before
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
    save(tmp_path, 2)
    assert load_checkpoint(tmp_path).step == 2


def test_a_disk_that_is_full_leaves_the_checkpoint_before(small_disk: Path) -> None:
    save(small_disk, 1)
    before = contents(small_disk)
    with pytest.raises(CheckpointError, match="step-000002: No space left on device"):
        save(small_disk, 2)
    assert contents(small_disk) == before
    assert load_checkpoint(small_disk).step == 1


def test_a_disk_that_others_fill_stops_training_with_the_last_checkpoint(small_disk: Path) -> None:
    """One checkpoint is written, then something else takes the room."""
    filler = small_disk / "filler"

    class Neighbour(Silent):
        def step(self, report: StepReport) -> None:
            if report.step == 3:
                free = shutil.disk_usage(small_disk).free
                filler.write_bytes(b"\0" * (free - 100_000))

    recipe = tiny_recipe(*SHORT, "training.checkpoint_every=2", "training.optimizer=sgd", "training.momentum=0")
    out = small_disk / "out"
    with pytest.raises(CheckpointError, match="step-000004: No space left on device"):
        train(recipe, out, progress=Neighbour())
    assert load_checkpoint(out).step == 2
    filler.unlink()
    result = train(recipe, out, resume=True)
    assert (result.resumed_from, result.steps) == (2, 4)


def test_a_log_that_stops_in_the_middle_is_named_and_mended(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    log.step(report(1))
    with largest_file(300), pytest.raises(CheckpointError, match=r"metrics\.jsonl: File too large"):
        log.step(report(2))
    log.close()
    MetricsLog(tmp_path, 8).close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines][:1] == [1]


def test_a_log_that_cannot_be_cut_back_stays(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    for step in range(1, 9):
        log.step(report(step))
    log.close()
    before = contents(tmp_path)
    with largest_file(300), pytest.raises(CheckpointError, match=r"metrics\.jsonl: File too large"):
        MetricsLog(tmp_path, 4)
    assert contents(tmp_path) == before


def test_metrics_that_find_no_room_leave_the_checkpoint_whole(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    before = contents(tmp_path)
    with largest_file(100), pytest.raises(CheckpointError, match=r"checkpoint\.json: File too large"):
        add_metrics(folder, {"quality": [{"a": 1}]})
    assert contents(tmp_path) == before


def test_a_picture_cache_without_room_leaves_nothing_half_written(tmp_path: Path) -> None:
    with largest_file(100):
        assert not write_chunk(tmp_path / "scenes" / "00000.npz", b"\0" * 1000)
    assert list((tmp_path / "scenes").iterdir()) == []


def test_a_disk_that_is_full_for_tensorboard_is_one_line_too(tmp_path: Path) -> None:
    """A stand-in writes, for TensorBoard is no requirement of ours: it fails as its own writer does."""

    class Full:
        def add_scalar(self, name: str, value: float, step: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    log = MetricsLog(tmp_path, 0)
    log._board = Full()
    with pytest.raises(CheckpointError, match=r"cannot write .*tensorboard: No space left on device"):
        log.step(StepReport(1, 2, 0, {"depth": 1.0}, 1.0, 0.0, 0.1, 1.0, 1.0))
    log.close()
