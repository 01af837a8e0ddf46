"""Where checkpoints lie in the folder of a training: OUT/checkpoints/step-000400, the newest two of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..disk import remove

VERSION = 1
KEPT = 2
WEIGHTS, OPTIMIZER, RECORD = "supernet.safetensors", "optimizer.safetensors", "checkpoint.json"
RAW, AUXILIARY = "raw.safetensors", "auxiliary.safetensors"


def folder_of(out: Path, step: int) -> Path:
    """The folder of the checkpoint after `step` steps."""
    return out / "checkpoints" / f"step-{step:06d}"


def steps(out: Path) -> list[Path]:
    """The checkpoint folders of OUT, newest first."""
    folder = out / "checkpoints"
    found = [each for each in folder.glob("step-*") if each.name[5:].isdigit()] if folder.is_dir() else []
    return sorted(found, key=lambda each: int(each.name[5:]), reverse=True)


def sweep(out: Path) -> None:
    """Remove what a killed run left half-written."""
    for leftover in (out / "checkpoints").glob(".*ing-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def clean(out: Path) -> None:
    """Remove that, and all but the newest checkpoints: a newer one has just been written whole."""
    sweep(out)
    for old in steps(out)[KEPT:]:
        remove(old)


def drop_newer(folder: Path) -> None:
    """Remove the checkpoints after `folder`: they are damaged, and training writes them again."""
    newer = [each for each in steps(folder.parent.parent) if int(each.name[5:]) > int(folder.name[5:])]
    for each in newer:
        remove(each)
