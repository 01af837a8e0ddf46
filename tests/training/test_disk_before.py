"""A disk that is full, too small or read-only is reported before a training begins, and nothing is left on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pliant import CheckpointError, DataError
from pliant.devices.locking import locked_folder
from pliant.training.checkpoints.writing import check_checkpoints_fit
from pliant.training.disk import check_room, check_writable
from pliant.training.loop import train
from pliant.training.progress import Silent, StepReport

from ..full_disk import largest_file
from .disks import SHORT, contents, save
from .tiny import tiny_recipe, tiny_supernet


def test_a_disk_too_small_is_reported_before_training(small_disk: Path) -> None:
    class Impatient(Silent):
        def step(self, report: StepReport) -> None:
            pytest.fail("training began")

    with pytest.raises(CheckpointError, match=r"has \d\.\d MB free, .* need 1\d\.\d MB"):
        train(tiny_recipe(*SHORT), small_disk / "out", progress=Impatient())
    assert not (small_disk / "out").exists()


def test_room_is_asked_where_the_checkpoints_lie(small_disk: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").symlink_to(small_disk)
    with pytest.raises(CheckpointError, match=r"has \d\.\d MB free, .* need 1\d\.\d MB"):
        train(tiny_recipe(*SHORT), tmp_path)


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


def test_a_training_that_is_refused_leaves_no_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for place in ("new/out", "there"):
        with pytest.raises(DataError):
            train(tiny_recipe("data.name=folder", f"data.root={tmp_path}"), tmp_path / place)
    assert [each.name for each in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize("place", ["file", "file/out", "link"])
def test_a_file_in_the_place_of_the_folder_is_reported_before_training(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(CheckpointError, match=r"cannot write into .*; choose another folder with --out") as caught:
        train(tiny_recipe(*SHORT), tmp_path / place)
    assert str(caught.value).count(str(tmp_path / place)) == 1
    assert f"{tmp_path / 'file' if '/' in place else 'it'} is a file, not a folder" in str(caught.value)
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
    save(small_disk, 1)
    before = contents(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(CheckpointError, match="Read-only file system; choose another folder"):
        train(tiny_recipe(*SHORT), small_disk, resume=True)
    with pytest.raises(CheckpointError, match="step-000002: Read-only file system"):
        save(small_disk, 2)
    assert contents(small_disk) == before


def test_a_folder_that_can_be_written_is_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_probe_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with largest_file(0), pytest.raises(CheckpointError, match="File too large"):
        check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_two_trainings_into_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    """A job that was requeued, while the one before still writes its last step."""
    with locked_folder(tmp_path) as mine:
        assert mine
        with pytest.raises(CheckpointError, match="another training is writing into"):
            train(tiny_recipe(*SHORT), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert train(tiny_recipe(*SHORT), tmp_path).steps == 4
