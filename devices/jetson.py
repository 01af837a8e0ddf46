"""What a Jetson tells of itself in files: its release, its module, its power modes and the one it is in."""

from __future__ import annotations

import re
from pathlib import Path

from .files import read_text

# nvpmodel writes the number of the mode into the one and describes all of them in the other.
_STATUS = "var/lib/nvpmodel/status"
_MODES = "etc/nvpmodel.conf"


def l4t(root: Path) -> str:
    """Version of Jetson Linux, such as `36.4.3`, or an empty string."""
    found = re.search(r"R(\d+).*?REVISION:\s*([\d.]+)", read_text(root / "etc/nv_tegra_release"))
    return f"{found.group(1)}.{found.group(2)}" if found else ""


def module(root: Path) -> str:
    """Part numbers of the module and its carrier (`p3767-0005 p3768-0000`) in the device tree, or an empty string."""
    if not l4t(root):
        return ""
    return " ".join(sorted(set(re.findall(r"p\d{4}-\d{4}", read_text(root / "proc/device-tree/compatible")))))


def power_modes(root: Path) -> dict[int, str]:
    """Number -> name of the modes that this board has; empty where they cannot be read."""
    pattern = r"<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=([^\s>]+)"
    return {int(number): name for number, name in re.findall(pattern, read_text(root / _MODES))}


def power_mode(root: Path) -> str:
    """Name of the mode that the board is in (`mode 3` where it has no name), or an empty string."""
    number = re.search(r"pmode:0*(\d+)", read_text(root / _STATUS))
    return power_modes(root).get(int(number.group(1)), f"mode {number.group(1)}") if number else ""


def fastest_mode(modes: dict[int, str]) -> int | None:
    """Number of the mode that limits the board least: MAXN, else the most watts, then the most cores; None without."""
    return max(modes, key=lambda number: _freedom(modes[number]), default=None)


def _freedom(name: str) -> tuple[bool, int, int]:
    # Names are like MAXN_SUPER, 25W, MODE_20W_6CORE, MODE_30W_ALL, 7W_AI; the number of the fastest differs by board.
    watts, cores = re.search(r"(\d+)W", name), re.search(r"(\d+)CORE", name)
    every = 99 if name.endswith("ALL") else 0
    return name.startswith("MAXN"), int(watts.group(1)) if watts else 0, int(cores.group(1)) if cores else every
