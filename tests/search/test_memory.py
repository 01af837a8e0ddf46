from __future__ import annotations

from pathlib import Path

import pytest

from pliant.devices.profile import MemoryUse
from pliant.export.pipeline import export_suite
from pliant.export.settings import ExportData
from pliant.models.architecture import Architecture
from pliant.models.space import SearchSpace
from pliant.models.supernet import Supernet, build_supernet
from pliant.runtime.opening import open_suite
from pliant.runtime.planning.memory import measure_memory
from pliant.search.latency.timing import Timer

from ..export.making import SIZE, Waves, task


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
    numbers = {"calibration_images": 2, "quality_images": 2, "recalibration_images": 4}
    widest = supernet.space.widest
    export_suite(supernet, [widest], path, data=data, precisions=("fp32",), targets=(), **numbers)
    with open_suite(path) as suite:
        (subnet,) = (each.id for each in suite.subnets)
    planned = measure_memory(path, [subnet], ["depth"], threads=1)[subnet]
    searched = Timer(supernet, 1).memory(widest, "the widest subnet")
    assert planned.peak > 60_000_000, "weights are most of it"
    assert searched.peak == pytest.approx(planned.peak, rel=0.02), _told(searched, planned)


def _told(searched: MemoryUse, planned: MemoryUse) -> str:
    return f"a search measures {searched}, a plan {planned}"
