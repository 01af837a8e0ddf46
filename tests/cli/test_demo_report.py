"""What the demo says of preferences, where they change the choice and where they do not."""

from __future__ import annotations

from typing import Any

import pytest

from pliant.cli.demo_report import print_report


def _report(*subnets: str) -> dict[str, Any]:
    def row(subnet: str) -> dict[str, Any]:
        widths, quality = {"depth": 0.5, "normals": 1.0, "segmentation": 0.25}, {"segmentation": 0.5}
        measured = {"limit_ms": 3.5, "latency_ms": 3.0, "bytes": 10, "quality": quality}
        return {"subnet": subnet, "decoder_widths": widths, **measured}

    return {
        "tasks": {"segmentation": {"metric": "mIoU", "higher_is_better": True}},
        "budgets": {"tight": row("s01")},
        "preference_weight": 4.0,
        "preferences": dict(zip(("nothing", "depth", "segmentation"), map(row, subnets), strict=True)),
        **dict.fromkeys(("suite", "pictures", "page", "plot", "front"), "x"),
        "minutes": 1.0,
    }


def test_where_preferences_change_nothing_only_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(_report("s01", "s01", "s01"))
    said = capsys.readouterr().out
    assert "preferring depth or segmentation, counting 4 times as much, changes nothing: s01 is the best" in said
    assert "tells most" not in said
    assert said.count("s01 ") == 2, "once by budget, once for all preferences"


def test_decoder_widths_are_by_whole_names(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(_report("s01", "s02", "s01"))
    said = capsys.readouterr().out
    assert "at 3.5 ms, where a preference tells most" in said
    assert "0.5 1 0.25" in said
    assert "decoder widths: those of depth, normals, segmentation, in this order" in said
    assert "preferring segmentation changes nothing here" in said
