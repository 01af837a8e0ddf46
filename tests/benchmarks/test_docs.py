"""The tables of docs/benchmarks.md are those of the dated files that it names: nobody writes them by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pliant.benchmarks.reporting import put_report
from pliant.benchmarks.search import report as search
from pliant.benchmarks.training import ablation
from pliant.benchmarks.training import report as training

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("what", "tables"),
    [("training", training.tables), ("ablation", ablation.tables), ("search", search.tables)],
)
def test_tables_are_those_of_the_file_that_is_named(
    what: str, tables: Callable[[dict[str, Any]], str], tmp_path: Path
) -> None:
    page, copy = ROOT / "docs" / "benchmarks.md", tmp_path / "docs" / "benchmarks.md"
    made = page.read_text().split(f"<!-- {what}: begin -->")[1].split(f"<!-- {what}: end -->")[0]
    names = set(re.findall(rf"results/({what}-[\w-]+\.(?:json|png))", made))
    assert len(names) == 2, "the file, and its picture"
    assert all((ROOT / "benchmarks" / "results" / name).exists() for name in names)
    copy.parent.mkdir()
    copy.write_text(page.read_text())
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")
    (result,) = (name for name in names if name.endswith(".json"))
    put_report(copy, what, tmp_path / "benchmarks" / "results" / result, tables)
    assert copy.read_text() == page.read_text()
