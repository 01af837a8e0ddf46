"""Does nested beat separate? One supernet against a plain network for each width, at equal epochs, data and optimizer.

    python -m pliant.benchmarks.training --data redkitchen --seeds 0 1 2       # `make bench-training` does all

A job is one (data, method, seed): it is resumed where it was killed, and skipped where its result is known.

- methods.py: what is compared: data sets and their recipes, methods and the settings that make each
- job.py: one job: train, and judge every width on the test split
- compute.py: what a training costs, in multiply-adds
- results.py: results of jobs as files, and all of them as one dated file
- delta.py: gain over separate training, by width
- report.py, plot.py: the tables and the picture of docs/benchmarks.md
"""
