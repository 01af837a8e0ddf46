"""The table that people read, in Markdown.

python -m pliant.benchmarks.peers.report benchmarks/results/peers-RECIPE-HARDWARE-DATE.json
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from .. import reporting

Entry = dict[str, Any]


def table(rows: list[Entry]) -> str:
    """A line for each width and method: speed against fp32, size, and what each task lost."""
    tasks = list(rows[0]["loss"])
    head = [
        "width",
        "method",
        "faster than fp32",
        "p10 ms",
        "MB",
        "made in s",
        *(f"{task}, lost" for task in tasks),
        "worst",
    ]
    lines = []
    for row in rows:
        lost = [_percent(row["loss"][task]) for task in tasks]
        worst = _percent(max(row["loss"].values(), key=lambda loss: math.inf if not math.isfinite(loss) else loss))
        name = f"pliant ({row['by']})" if row["method"] == "pliant" else row["by"] or "fp32"
        numbers = [
            f"{row['speedup']:.2f}",
            f"{row['latency_ms']:.2f}",
            f"{row['bytes'] / 1e6:.2f}",
            f"{row['seconds']:.0f}",
        ]
        lines.append([f"{row['width']:g}", name, *numbers, *lost, worst])
    return reporting.table(head, lines)


def _percent(loss: float) -> str:
    return "not a number" if not math.isfinite(loss) else f"{100 * loss:+.1f} %"


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())["rows"]))
