from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from pliant.export.pipeline import export_suite
from pliant.export.settings import ExportData
from pliant.models.architecture import Architecture
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.models.supernet import Supernet, build_supernet
from pliant.runtime.opening import open_suite
from pliant.runtime.planning.memory import measure_memory
from pliant.search.algorithms.interface import Candidate, Found
from pliant.search.confirm import within_memory
from pliant.search.front.assemble import make_front
from pliant.search.front.front import Front
from pliant.search.latency.clock import ThisMachine
from pliant.search.latency.timing import Timer
from pliant.search.limits import Limits
from pliant.search.preference import standard_preferences
from pliant.search.wording import in_words

from ..export.making import SIZE, Waves, task
from .making import formula_problem
from .test_limits import ORIGIN

ROOM = 0.07
"""Of one subnet some processes take 6 % more than others, whoever measures."""


def heavy() -> Supernet:
    """45 MB of weights and small images: what is measured is what loading takes."""
    architecture = Architecture("resnet18", *SIZE, decoder_channels=16, skip_channels=8)
    return build_supernet(architecture, (task("depth"),), heavy_space()).eval()


def heavy_space() -> SearchSpace:
    return SearchSpace(4, ("depth",), (0.5, 1.0), (1.0,))


@pytest.mark.slow
def test_a_search_counts_the_memory_that_a_plan_of_the_exported_suite_counts(tmp_path: Path) -> None:
    """Loading makes the peak, so it counts who folds batch norm, and where arrays lie meanwhile."""
    supernet, path = heavy(), tmp_path / "heavy.pliant"
    data = ExportData(Waves(supernet.tasks, 8), Waves(supernet.tasks, 8))
    widest = supernet.space.widest
    export_suite(
        supernet, [widest], path, data=data, quality_images=2, recalibration_images=4, precisions=("fp32",), targets=()
    )
    with open_suite(path) as suite:
        (subnet,) = (each.id for each in suite.subnets)
    timer = Timer(supernet, 1)
    planned = min(measure_memory(path, [subnet], ["depth"], threads=1)[subnet].peak for _ in range(3))
    searched = min(timer.memory(widest, "the widest subnet").peak for _ in range(3))
    assert planned > 60_000_000, "weights are most of it"
    assert searched == pytest.approx(planned, rel=ROOM)


def test_a_subnet_that_takes_too_much_memory_pushes_out_none_that_fits() -> None:
    """By quality and multiply-adds, made up, the one beats the other; memory, truly measured, decides."""
    problem, clock, space = formula_problem()[0], ThisMachine(heavy(), 1), heavy_space()
    lean, fat = (SubnetConfig(encoder, space.widest.decoders) for encoder in ((1, 1, 0.5, 0.5), (0.5, 0.5, 0.5, 1)))
    rows = {space.narrowest: (1, 1.0), fat: (4, 0.4), lean: (5, 0.5), space.widest: (9, 0.3)}
    found = Found(tuple(Candidate(each, {"depth": error}, macs, 1) for each, (macs, error) in rows.items()), 4)
    problem = replace(problem, space=space, tasks=(task("depth"),), preferences=standard_preferences(("depth",)))

    def make(gone: Collection[SubnetConfig]) -> Front:
        return make_front(problem, found.without(gone), (), 4, ORIGIN)

    taken = clock.memory([lean, fat])
    assert taken[fat] > 1.2 * taken[lean], "or this tests nothing"
    notes: list[str] = []
    front = within_memory(make, clock, Limits(memory=sum(taken.values()) // 2), notes.append)
    assert [entry.config for entry in make(()).entries] == [space.narrowest, fat, space.widest]
    assert [entry.config for entry in front.entries] == [space.narrowest, lean, space.widest]
    assert [line.startswith(f"left out {in_words(fat)}: ") for line in notes] == [False, True]
