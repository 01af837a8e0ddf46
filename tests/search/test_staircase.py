from __future__ import annotations

from pathlib import Path

import pytest

from pliant.search.front.staircase import Stair, plot_stairs, stairs
from pliant.search.latency.model import LatencyModel

from .making import TASKS
from .test_latency import SPACE, measured


def test_widths_that_are_no_faster_than_a_wider_one_are_named() -> None:
    assert Stair("a part", (0.25, 0.5, 0.75, 1.0), (1.0, 2.0, 1.9, 1.9)).wasted == (0.5, 0.75)
    assert Stair("a part", (0.25, 0.5), (1.0, 2.0)).wasted == ()


def test_the_step_of_a_made_up_machine_is_found_and_drawn(tmp_path: Path) -> None:
    found = stairs(LatencyModel(SPACE, TASKS, measured(80)), SPACE, TASKS)
    assert [stair.name for stair in found] == [*(f"encoder stage {stage}" for stage in range(4)), "a decoder"]
    assert [stair.wasted for stair in found] == [()] * 4 + [(0.5,)]
    ends = {stair.milliseconds[-1] for stair in found}
    assert max(ends) == pytest.approx(min(ends))
    plot_stairs(found, "a machine", tmp_path / "stairs.png")
    assert (tmp_path / "stairs.png").stat().st_size > 10_000
