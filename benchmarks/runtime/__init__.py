"""Is what the deployed half promises true here? Budgets met, no cost, switches under load, an hour of everything.

python -m pliant.benchmarks.runtime PART [--suite FILE] [--out DIR] [--docs docs/reliability.md]

A part is a file of this folder; each writes one dated result, and with `--docs` its table into the page. `truth` is
DESIGN's formula by brute force, `slope` says whether memory grew, `report` makes the tables.
"""
