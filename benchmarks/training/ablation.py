"""The ablation where it was measured apart from the main comparison: every lever beside the default, on one machine.

python -m pliant.benchmarks.training.ablation benchmarks/results/ablation-HARDWARE-DATE.json [--docs PAGE] [--plot PNG]
"""

from __future__ import annotations

from ..reporting import Entry, read_and_report
from .plot import plot_levers
from .report import levers_of


def tables(entry: Entry) -> str:
    """Each data set's levers as Markdown."""
    seeds = ", ".join(map(str, entry["seeds"]))
    said = f"{entry['hardware']}, {entry['date']}, seeds {seeds}; `{entry['command']}`."
    parts = [said, *(levers_of(entry, data) for data in dict.fromkeys(row["data"] for row in entry["rows"]))]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    raise SystemExit(read_and_report("ablation", tables, plot_levers))
