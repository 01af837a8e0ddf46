"""Where a search writes: FRONT.json, and beside it the plot and the log. Loads nothing, so that scripts may ask."""

from __future__ import annotations

from pathlib import Path

from ..devices.errors import BudgetError


def log_path(out: str | Path) -> Path:
    """Where the evaluations of a search that writes FRONT.json are logged."""
    return Path(out).with_suffix(".log.jsonl")


def plot_path(out: str | Path) -> Path:
    """Where the plot of a front that is written to FRONT.json goes."""
    return Path(out).with_suffix(".png")


def check_front_path(out: str | Path) -> None:
    """Raise BudgetError where the plot would overwrite the front."""
    if Path(out).suffix.lower() == ".png":
        name = Path(out).with_suffix(".json").name
        raise BudgetError(f"{out} is where the plot would go: call the front {name}, its plot goes beside it")
