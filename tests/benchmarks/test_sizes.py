"""What sizes, openings and reads are measured on: the files and processes that are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

import pliant
from pliant.benchmarks.runtime.bare import SUBNETS as BARE_SUBNETS
from pliant.benchmarks.runtime.bare import grown, held
from pliant.benchmarks.sizes import OPENINGS, configurations, opening, sizes, touched
from pliant.training.prepare import fresh_supernet, open_training_data
from pliant.training.recipe.file import load_recipe

from ..runtime.making import make

linux = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's /proc")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make().write(tmp_path_factory.mktemp("suite") / "made.pliant")


def test_a_suite_is_held_against_the_widest_files_and_against_all(path: Path, tmp_path: Path) -> None:
    found = sizes(path, tmp_path)
    with pliant.open_suite(path) as suite:
        bytes_of = {
            subnet.id: sum(file.stat().st_size for file in suite.extract(subnet.id, tmp_path / f"{subnet.id}.onnx"))
            for subnet in suite.subnets
        }
        most = max(subnet.macs for subnet in suite.subnets)
        widest = [subnet.id for subnet in suite.subnets if subnet.macs == most]
    assert found["subnets"] == len(bytes_of)
    assert found["one_file_each_bytes"] == pytest.approx(sum(bytes_of.values()), rel=0.01)
    assert found["widest_bytes"] == pytest.approx(sum(bytes_of[name] for name in widest), rel=0.01)
    assert found["ratio"] == found["suite_bytes"] / found["widest_bytes"] == path.stat().st_size / found["widest_bytes"]
    assert not list(tmp_path.glob("alone*")), "nothing is left behind"


def test_openings_are_timed_in_a_process_of_their_own(path: Path) -> None:
    found = opening(path)
    assert OPENINGS >= 100
    assert 0 < found["p10"] <= found["p50"] <= found["p90"] < 1000


@linux
def test_what_loading_reads_is_at_least_the_subnet(path: Path) -> None:
    found = touched(path)
    # These have a few kilobytes of weights, less than their graphs and records.
    assert 1 <= found["p10"] <= found["p50"] <= found["largest"] < 100
    with pliant.open_suite(path) as suite:
        assert found["of"] in {subnet.id for subnet in suite.subnets}


def test_random_widths_differ_and_have_both_ends() -> None:
    recipe = load_recipe("scenes-demo", ["data.counts={train: 8, validation: 4, test: 4}"])
    supernet, _ = fresh_supernet(recipe, open_training_data(recipe))
    found = configurations(supernet, 9, seed=3)
    assert len(found) == len(set(found)) == 9
    assert {supernet.space.widest, supernet.space.narrowest} <= set(found)
    assert found == configurations(supernet, 9, seed=3) != configurations(supernet, 9, seed=4)


@linux
def test_bare_sessions_are_made_and_dropped_in_a_process_that_has_no_pliant_session(path: Path) -> None:
    with pliant.open_suite(path) as suite:
        assert len(suite.subnets) <= BARE_SUBNETS
        found = grown(suite, 120)
        assert grown(suite, 8) is None, "too few to tell"
    assert found is not None
    assert found.steps == 90, "a quarter of them warms up"
    assert -1e6 < found.a_step < 1e6


@linux
def test_the_memory_of_bare_sessions_is_told_one_by_one(path: Path, tmp_path: Path) -> None:
    with pliant.open_suite(path) as suite:
        files = [str(suite.extract(each.id, tmp_path / f"{each.id}.onnx")[0]) for each in suite.subnets[:2]]
    found = held(3, files)
    assert len(found) == 3
    assert min(found) > 1e6
