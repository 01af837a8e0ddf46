"""Damaged records and logs are told from whole ones, whatever they hold, and cost no checkpoint that is whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pliant import CheckpointError
from pliant.training.checkpoints.checkpoint import load_checkpoint, resolve
from pliant.training.checkpoints.folders import RECORD, WEIGHTS, steps
from pliant.training.checkpoints.resume import starting_point
from pliant.training.loop import train
from pliant.training.progress import MetricsLog, Silent

from ..disks import save
from ..tiny import tiny_recipe

DEEP = ("[" * 100_000, '{"step": ' * 50_000)
NO_COUNTS: tuple[Any, ...] = ("x", [], -1, 1.5, True, {}, float("nan"))
NO_MAPPINGS: tuple[Any, ...] = (3, ["a"], "x", None)


def test_a_record_of_anything_is_damaged_and_the_one_before_it_is_read(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step)
    record = steps(tmp_path)[0] / RECORD
    whole: dict[str, Any] = json.loads(record.read_text())
    changed = [{**whole, name: value} for name in ("step", "images") for value in NO_COUNTS]
    changed += [{**whole, name: value} for name in ("digests", "metrics", "recipe", "tasks") for value in NO_MAPPINGS]
    for text in (*DEEP, *map(json.dumps, (*changed, {**whole, "step": None}))):
        record.write_text(text)
        folder, problems = resolve(tmp_path)
        assert folder.name == "step-000001", text[-200:]
        assert len(problems) == 1
        assert "step-000002" in problems[0]
        assert "\n" not in problems[0]


@pytest.mark.parametrize("key", ["base", "decoder_channels", "skip_channels"])
def test_an_architecture_that_no_network_has_is_one_line(key: str, tmp_path: Path) -> None:
    record = save(tmp_path, 1) / RECORD
    whole = json.loads(record.read_text())
    record.write_text(json.dumps({**whole, "architecture": {**whole["architecture"], key: 1.5}}))
    with pytest.raises(CheckpointError, match="does not fit this pliant") as caught:
        load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_whole_checkpoint_stays_until_a_newer_one_is_written(tmp_path: Path) -> None:
    """The third was there since a run was killed between writing and removing, and only it is whole."""
    for step in (1, 2):
        save(tmp_path, step)
    shutil.copytree(tmp_path / "checkpoints" / "step-000002", tmp_path / "checkpoints" / "step-000003")
    for folder in steps(tmp_path)[:2]:
        (folder / WEIGHTS).write_bytes(b"")
    with pytest.raises(CheckpointError, match="holds a training already"):
        train(tiny_recipe(), tmp_path)
    assert [folder.name for folder in steps(tmp_path)] == ["step-000003", "step-000002", "step-000001"]
    found = starting_point(tiny_recipe(), tmp_path, True, Silent())
    assert found is not None
    assert found.step == 1


@pytest.mark.parametrize("damage", [b"\xff\xfe\x00\n", b"[" * 100_000 + b"\n", b"\xe2\x80\xa8\n", b'{"step": 2'])
def test_a_damaged_line_of_the_log_goes_and_the_others_stay(damage: bytes, tmp_path: Path) -> None:
    """As a machine that lost its power leaves it."""
    path = tmp_path / "metrics.jsonl"
    first, second = b'{"kind": "step", "step": 1}\n', b'{"kind": "quality", "step": 2, "rows": []}\n'
    path.write_bytes(first + second + damage)
    log = MetricsLog(tmp_path, 2)
    assert log.has_quality(2)
    log.close()
    assert path.read_bytes() == first + second
