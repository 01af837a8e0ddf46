"""Where a search writes: FRONT.json, beside it the plot, the page and the log. Loads nothing heavy."""

from __future__ import annotations

from pathlib import Path

from ..devices.errors import BudgetError


def log_path(out: str | Path) -> Path:
    """Where the evaluations of a search that writes FRONT.json are logged."""
    return Path(out).with_suffix(".log.jsonl")


def plot_path(out: str | Path) -> Path:
    """Where the plot of a front that is written to FRONT.json goes."""
    return Path(out).with_suffix(".png")


def page_path(out: str | Path) -> Path:
    """Where the interactive page of a front that is written to FRONT.json goes."""
    return Path(out).with_suffix(".html")


def stairs_path(out: str | Path) -> Path:
    """Where the latency staircase of a search for latency that writes FRONT.json goes."""
    return Path(out).with_name(f"{Path(out).stem}-latency.png")


def check_front_path(out: str | Path) -> None:
    """Raise BudgetError where the plot or the page would overwrite the front."""
    for what, place in (("plot", plot_path(out)), ("page", page_path(out))):
        if Path(out).suffix.lower() == place.suffix:
            name = Path(out).with_suffix(".json").name
            raise BudgetError(f"{out} is where the {what} would go: call the front {name}, its {what} goes beside it")
