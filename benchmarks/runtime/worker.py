"""A process of the soak that is killed: it measures subnets, plans, and writes what it found, until then.

python -m pliant.benchmarks.runtime.worker SUITE CACHE SEED
"""

from __future__ import annotations

import sys

import numpy as np

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.measure import Effort
from pliant.runtime.planning.profiling import profile_suite

# Short, so that much of the time goes into writing.
SHORT = Effort(runs=6, seconds=0.0, warmup=0)


def main() -> None:
    """Until it is killed."""
    path, folder, seed = sys.argv[1:]
    rng = np.random.default_rng(int(seed))
    with pliant.open_suite(path) as suite:
        print("ready", flush=True)
        while True:
            subnet = suite.subnets[int(rng.integers(len(suite.subnets)))]
            profile_suite(suite, [subnet], threads=1, memory=False, effort=SHORT, cache=MeasurementCache(folder))
            suite.plan(latency="10 s", threads=1, tasks=[next(iter(suite.tasks))], cache=folder)


if __name__ == "__main__":
    main()
