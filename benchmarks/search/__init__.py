"""Which search finds the better subnets, and which lets a preference steer? At equal evaluations, on trained supernets.

    python -m pliant.benchmarks.search --data redkitchen        # `make bench-search` does all

Supernets are those of the training benchmark (default recipe, seed 0). What was truly evaluated is stored by data set
and serves all methods and seeds, as are the latencies measured here.

- subjects.py: the data sets: their supernets, the groups that tasks are taken in
- truth.py, times.py: the stored evaluations, and latencies by machine
- methods.py: what is compared, and what each offers for a preference
- score.py: hypervolume over measured latency, uniformity, control
- results.py: the dated file, and how runs of a day come together in it
- report.py: tables and plots
- effort.py: what evaluations are worth in multiply-adds; evaluations.py: how many a minute, with reuse and without
- steadiness.py: which statistic of a latency repeats best, and is learned best
"""
