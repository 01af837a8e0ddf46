"""A disk that is full or read-only is reported, before training where it can be, and costs nothing that was there.

A full disk is made by a limit on file sizes, which needs no rights, and where mounting is allowed also by a file system
that is really full. Permissions stop nobody who runs as root, so folders are made unwritable by what
stands in their place.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from pliant import CheckpointError
from pliant.devices.locking import locked_folder
from pliant.training.checkpoints.checkpoint import load_checkpoint
from pliant.training.checkpoints.writing import add_metrics, check_checkpoints_fit, save_checkpoint
from pliant.training.data.scenes.store import write_chunk
from pliant.training.disk import check_room, check_writable
from pliant.training.loop import train
from pliant.training.optimization.schedule import make_optimizer, optimizer_tensors
from pliant.training.progress import MetricsLog, Silent, StepReport

from .tiny import tiny_recipe, tiny_supernet

SHORT = ("training.epochs=2", "data.counts.train=8", "data.counts.validation=4", "training.checkpoint_every=1")


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that is full by then."""
    resource = pytest.importorskip("resource", reason="limits on file sizes are POSIX's")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB: room for a checkpoint or two of the tiny supernet, not for three."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if mount is None or unmount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run([unmount, str(folder)], check=True)


def _save(out: Path, step: int) -> Path:
    network = tiny_supernet(step)
    recipe = tiny_recipe()
    optimizer = make_optimizer(network, recipe.training)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return save_checkpoint(out, network, optimizer_tensors(optimizer, network), recipe, step)


def _report(step: int) -> StepReport:
    return StepReport(step, 4, 0, {"depth": 1.0}, 1.0, 0.0, 0.1, 1.0, None)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [0, 100_000, 2_000_000])
def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(size: int, tmp_path: Path) -> None:
    _save(tmp_path, 1)
    before = _contents(tmp_path)
    with largest_file(size), pytest.raises(CheckpointError, match=r"step-000002: File too large; what was there"):
        _save(tmp_path, 2)
    assert _contents(tmp_path) == before
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
    _save(tmp_path, 2)
    assert load_checkpoint(tmp_path).step == 2


def test_a_disk_that_is_full_leaves_the_checkpoint_before(small_disk: Path) -> None:
    _save(small_disk, 1)
    before = _contents(small_disk)
    with pytest.raises(CheckpointError, match="step-000002: No space left on device"):
        _save(small_disk, 2)
    assert _contents(small_disk) == before
    assert load_checkpoint(small_disk).step == 1


def test_a_disk_too_small_is_reported_before_training(small_disk: Path) -> None:
    class Impatient(Silent):
        def step(self, report: StepReport) -> None:
            pytest.fail("training began")

    with pytest.raises(CheckpointError, match=r"has \d\.\d MB free, .* need 1\d\.\d MB"):
        train(tiny_recipe(*SHORT), small_disk / "out", progress=Impatient())
    assert list((small_disk / "out").iterdir()) == []


def test_room_is_asked_where_the_checkpoints_lie(small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").symlink_to(small_disk)
    with pytest.raises(CheckpointError, match=r"has \d\.\d MB free, .* need 1\d\.\d MB"):
        train(tiny_recipe(*SHORT), tmp_path)


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


def test_a_limit_on_file_sizes_is_reported_before_training(tmp_path: Path) -> None:
    recipe = tiny_recipe(*SHORT).training
    with largest_file(500_000):
        with pytest.raises(CheckpointError, match=r"the largest file of a checkpoint, into .*: File too large"):
            check_checkpoints_fit(tmp_path, tiny_supernet(), recipe, 1)
        check_checkpoints_fit(tmp_path, tiny_supernet(), recipe, 0)
    check_checkpoints_fit(tmp_path, tiny_supernet(), recipe, 1)
    assert list(tmp_path.iterdir()) == []


def test_room_is_asked_for_the_checkpoints_that_will_be_there(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    check_room(tmp_path, 2, 1000, free // 4)
    with pytest.raises(CheckpointError, match="MB free, and the checkpoints of this training need"):
        check_room(tmp_path, 2, 1000, free)
    check_room(tmp_path, 0, 10 * free, free)


def test_a_log_that_stops_in_the_middle_is_named_and_mended(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    log.step(_report(1))
    with largest_file(300), pytest.raises(CheckpointError, match=r"metrics\.jsonl: File too large"):
        log.step(_report(2))
    log.close()
    MetricsLog(tmp_path, 8).close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines][:1] == [1]


def test_a_log_that_cannot_be_cut_back_stays(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0)
    for step in range(1, 9):
        log.step(_report(step))
    log.close()
    before = _contents(tmp_path)
    with largest_file(300), pytest.raises(CheckpointError, match=r"metrics\.jsonl: File too large"):
        MetricsLog(tmp_path, 4)
    assert _contents(tmp_path) == before


def test_metrics_that_find_no_room_leave_the_checkpoint_whole(tmp_path: Path) -> None:
    folder = _save(tmp_path, 1)
    before = _contents(tmp_path)
    with largest_file(100), pytest.raises(CheckpointError, match=r"checkpoint\.json: File too large"):
        add_metrics(folder, {"quality": [{"a": 1}]})
    assert _contents(tmp_path) == before


def test_a_picture_cache_without_room_leaves_nothing_half_written(tmp_path: Path) -> None:
    with largest_file(100):
        assert not write_chunk(tmp_path / "scenes" / "00000.npz", b"\0" * 1000)
    assert list((tmp_path / "scenes").iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/out", "link"])
def test_a_file_in_the_place_of_the_folder_is_reported_before_training(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"cannot write into .*; choose another folder with --out") as caught:
        train(tiny_recipe(*SHORT), tmp_path / place)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("link", [False, True])
def test_a_file_in_the_place_of_the_checkpoints_is_reported_before_training(link: bool, tmp_path: Path) -> None:
    place = tmp_path / "checkpoints"
    if link:
        place.symlink_to(tmp_path / "gone")
    else:
        place.write_text("kept")
    with pytest.raises(CheckpointError, match="checkpoints"):
        train(tiny_recipe(*SHORT), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_read_only_folder_is_reported_before_training() -> None:
    for folder in (Path("/proc/pliant"), Path(f"/proc/{os.getpid()}/fd/pliant")):
        with pytest.raises(CheckpointError, match=f"cannot write into {folder}"):
            train(tiny_recipe(*SHORT), folder)


def test_a_disk_remounted_read_only_is_reported_and_keeps_its_checkpoints(small_disk: Path) -> None:
    _save(small_disk, 1)
    before = _contents(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(CheckpointError, match="Read-only file system; choose another folder"):
        train(tiny_recipe(*SHORT), small_disk, resume=True)
    with pytest.raises(CheckpointError, match="step-000002: Read-only file system"):
        _save(small_disk, 2)
    assert _contents(small_disk) == before


def test_a_folder_that_can_be_written_is_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_probe_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with largest_file(0), pytest.raises(CheckpointError, match="File too large"):
        check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


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


def test_of_two_trainings_into_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    """A job that was requeued, while the one before still writes its last step."""
    with locked_folder(tmp_path) as mine:
        assert mine
        with pytest.raises(CheckpointError, match="another training is writing into"):
            train(tiny_recipe(*SHORT), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert train(tiny_recipe(*SHORT), tmp_path).steps == 4
