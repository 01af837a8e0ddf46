"""Int8 in a search: tables by real engines, precision as a choice beside widths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pliant import BudgetError
from pliant.devices.dialect import get_dialect
from pliant.export.engine import Engine
from pliant.export.forms import Forms
from pliant.export.pipeline import export_suite
from pliant.export.quality import measure_quality
from pliant.export.settings import ExportData
from pliant.models.cost import CostModel
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.models.supernet import build_supernet
from pliant.quantize.assignment import Assignment
from pliant.quantize.calibrate import calibrate
from pliant.quantize.policy import Policy
from pliant.search.algorithms.factorized import Factorized
from pliant.search.algorithms.interface import Trunk
from pliant.search.algorithms.joint import Joint
from pliant.search.front.front import Front
from pliant.search.log import EvaluationLog
from pliant.search.quality.data import open_search_data
from pliant.search.quality.integers import Calibrated, Images, IntegerEvaluator, integer_sources
from pliant.search.run import run_search
from pliant.training.checkpoints.checkpoint import Checkpoint
from pliant.training.evaluation.evaluator import Evaluator
from pliant.training.prepare import open_split

from ..training.tiny import tiny_recipe, tiny_supernet
from .making import (
    NAMES,
    TASKS,
    formula_problem,
    make_checkpoint,
    make_clock,
    make_data,
    make_supernet,
    priced,
)

INT8 = {"int8": Policy()}


@pytest.fixture(scope="module")
def sources() -> dict[str, IntegerEvaluator]:
    supernet = make_supernet()
    data = make_data()
    forms, fp32 = (
        Forms(supernet, INT8, get_dialect("onnxruntime")),
        Evaluator(supernet, data.recalibration, data.validation),
    )
    calibrated = Calibrated(forms, fp32, Images.of(data.calibration, data.validation))
    return {name: IntegerEvaluator(calibrated, name) for name in ("int8", "int8-fff", "fp32-iii")}


@pytest.fixture(scope="module")
def integers(sources: dict[str, IntegerEvaluator]) -> IntegerEvaluator:
    return sources["int8"]


def test_a_table_holds_what_each_subnet_measures_by_itself(integers: IntegerEvaluator) -> None:
    """Ranges included: given the encoder, no task depends on another one's decoder."""
    forms, images = integers._forms, integers._calibrated.images
    encoder = (0.5, 1.0, 1.0, 0.5)
    table = integers.table(encoder, dict.fromkeys(NAMES, (0.5, 1.0)))
    for widths in ((0.5, 1.0, 0.5), (1.0, 1.0, 0.5)):
        config = SubnetConfig(encoder, tuple(zip(NAMES, widths, strict=True)), "int8")
        fp32 = forms.fp32(config, integers._calibrated._fp32.statistics(config))
        feed = forms.of(
            config, fp32, calibrate(fp32.graph, fp32.arrays, forms.ranged, images.calibration, forms.by_channel)
        )
        alone = measure_quality(Engine(feed, list(NAMES), "alone"), TASKS, images.quality)
        assert alone == {task: table[task][width] for task, width in config.decoders}


@pytest.mark.parametrize(
    ("precision", "by_task"),
    [
        ("int8-fif", ("int8-fff", "int8", "int8-fff")),
        ("int8-iif", ("int8", "int8", "int8-fff")),
        ("fp32-fii", ("fp32", "fp32-iii", "fp32-iii")),
    ],
)
def test_no_task_depends_on_the_precision_of_another_ones_decoder(
    sources: dict[str, IntegerEvaluator], precision: str, by_task: tuple[str, ...]
) -> None:
    """So a subnet's row is put together from tables of an encoder with all decoders alike."""
    integers, encoder = sources["int8"], (0.5, 1.0, 1.0, 0.5)
    config = SubnetConfig(encoder, tuple(zip(NAMES, (0.5, 1.0, 0.5), strict=True)), precision)
    wanted = {task: (width,) for task, width in config.decoders}
    alone = IntegerEvaluator(integers._calibrated, precision).table(encoder, wanted)
    for (task, width), source in zip(config.decoders, by_task, strict=True):
        if source == "fp32":
            # By torch, not by the engine: an equal network, to rounding.
            found = integers._calibrated._fp32.table(encoder, {task: (width,)})[task][width]
            assert alone[task][width] == pytest.approx(found, abs=1e-3)
        else:
            assert alone[task][width] == sources[source].table(encoder, {task: (width,)})[task][width]


def test_what_a_search_judges_in_int8_is_what_an_export_of_it_measures(tmp_path: Path) -> None:
    """Images for ranges included, which training changes and an export does not."""
    recipe = tiny_recipe("quantize.calibration_images=5")
    train, validation = open_split(recipe, "train"), open_split(recipe, "validation")
    space = SearchSpace(4, tuple(task.name for task in train.tasks), (0.5, 1.0), (0.5, 1.0))
    supernet = build_supernet(tiny_supernet().architecture, train.tasks, space).eval()
    checkpoint, config = Checkpoint(tmp_path, supernet, recipe, 0), replace(space.narrowest, precision="int8")
    data = open_search_data(checkpoint, int8=True)
    fp32 = Evaluator(supernet, data.recalibration, data.validation)
    calibrated = Calibrated(
        Forms(supernet, INT8, get_dialect("onnxruntime")), fp32, Images.of(data.calibration, data.validation)
    )
    table = IntegerEvaluator(calibrated, "int8").table(
        config.encoder, {task: (width,) for task, width in config.decoders}
    )
    report = export_suite(
        checkpoint,
        [config],
        tmp_path / "x.pliant",
        data=ExportData(train, validation),
        calibration_images=5,
        quality_images=len(validation),
        policies=INT8,
        targets=("onnxruntime",),
    )
    (subnet,) = report.subnets
    assert subnet.quality == {task: table[task][width] for task, width in config.decoders}


def test_int8_that_another_engine_version_judged_is_judged_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rounds elsewhere; tables of the version that is here are known."""
    data, supernet = make_data(), make_supernet()
    log = EvaluationLog(tmp_path / "log", {})
    fp32 = Evaluator(supernet, data.recalibration, data.validation)
    images = Images.of(data.calibration, data.validation)
    wanted = dict.fromkeys(NAMES, (0.5,))

    def judged(log: EvaluationLog) -> int:
        """How many encoders are measured."""
        _, sources = integer_sources(fp32, images, 1e9, 4, log)
        sources["int8"].table((0.5,) * 4, wanted)
        log.close()
        return sources["int8"].encoders

    assert judged(log) == 1
    assert judged(EvaluationLog(tmp_path / "log", {}, resume=True)) == 0
    monkeypatch.setattr("onnxruntime.__version__", "1.99.0")
    assert judged(EvaluationLog(tmp_path / "log", {}, resume=True)) == 1


def test_what_is_known_is_not_measured_again(integers: IntegerEvaluator) -> None:
    encoder, kept = (1.0, 1.0, 0.5, 0.5), []
    first = integers.table(encoder, {"depth": (0.5,), "edges": (1.0,)})
    again = IntegerEvaluator(
        integers._calibrated,
        "int8",
        known=[(encoder, first)],
        keep=lambda *e: kept.append(e),
    )
    assert again.table(encoder, {"depth": (0.5,), "edges": (1.0,)}) == first
    assert (again.encoders, kept) == (0, [])
    again.table(encoder, {"depth": (0.5, 1.0)})
    assert kept == [(encoder, {"depth": {1.0: again.table(encoder, {"depth": (1.0,)})["depth"][1.0]}})]


@pytest.mark.parametrize("algorithm", [Factorized(), Joint()], ids=["factorized", "joint"])
def test_where_int8_costs_half_and_loses_nothing_it_is_found(algorithm: Factorized | Joint) -> None:
    problem = priced(formula_problem(40)[0])
    found = algorithm.search(problem)
    assert found.evaluations == 40
    fp32 = {each.config: each for each in found.candidates if each.config.precision == "fp32"}
    int8 = [each for each in found.candidates if each.config.precision == "int8"]
    assert {problem.space.widest, problem.space.narrowest} <= set(fp32)
    assert int8 if isinstance(algorithm, Joint) else len(int8) > len(found.candidates) / 4
    for each in int8:
        twin = fp32.get(replace(each.config, precision="fp32"))
        assert twin is None or each.cost < 0.6 * twin.cost
    assert [each.config for each in algorithm.search(problem).candidates] == [each.config for each in found.candidates]
    assert Trunk.of(int8[0].config).config(int8[0].config.decoders) == int8[0].config


def test_widths_and_precision_are_searched_together_and_a_resumed_log_knows_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, data = make_checkpoint(tmp_path), make_data()
    clock = make_clock(checkpoint, 12)
    notes: list[str] = []
    out = tmp_path / "front.json"
    front = run_search(checkpoint, data=data, out=out, clock=clock, int8=True, note=notes.append)
    assert Front.load(out) == front, "whatever subnets were left out after they were measured"
    named = {entry.config.precision for entry in front.entries}
    assert {each for one in named for each in _parts(one)} <= {"fp32", "int8", "mixed"}
    assert named - {"fp32"} == set(front.policies)
    weights = CostModel(checkpoint.supernet)
    for entry in front.entries:
        assert (entry.bytes < weights(entry.config).bytes) == (entry.config.precision != "fp32")
    assert all(entry.latency and entry.latency.kind == "measured" for entry in front.entries)
    log = (tmp_path / "front.log.jsonl").read_text()
    assert '"precision": "int8-' in log
    assert any(line.startswith("int8 latencies are estimated from 1") for line in notes)
    again = make_clock(checkpoint, 12)
    with monkeypatch.context() as patched:
        patched.setattr("pliant.search.quality.integers.find_policies", None)  # minutes of work, which the log spares
        assert run_search(checkpoint, data=data, out=out, clock=again, int8=True, resume=True) == front
    assert (tmp_path / "front.log.jsonl").read_text() == log


def _parts(precision: str) -> tuple[str, ...]:
    assigned = Assignment.of(precision, len(NAMES))
    return (assigned.encoder, *assigned.decoders)


def test_a_search_for_latency_that_was_killed_walks_the_same_path(tmp_path: Path) -> None:
    """Its probes are in the log, so all that was estimated is as before; the front's own times alone are new, and what
    it is worth by them."""
    checkpoint, data, out = make_checkpoint(tmp_path), make_data(), tmp_path / "front.json"
    clocks = [make_clock(checkpoint, 10) for _ in range(2)]
    whole = run_search(checkpoint, data=data, out=out, clock=clocks[0])
    log = tmp_path / "front.log.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[: 1 + 10 + 3]))
    found = run_search(checkpoint, data=data, out=out, clock=clocks[1], resume=True)
    again = log.read_text().splitlines(keepends=True)
    assert [line for line in again if '"quality"' in line] == [line for line in lines if '"quality"' in line]
    assert replace(found.provenance, hypervolume=0.0) == replace(whole.provenance, hypervolume=0.0)


def test_precision_without_latency_is_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path)
    with pytest.raises(BudgetError, match=r"int8 saves no multiply-adds.*--latency"):
        run_search(checkpoint, data=make_data(), int8=True)
    clock = make_clock(checkpoint, 12)
    with pytest.raises(BudgetError, match="ECMT's rule knows no precision"):
        run_search(checkpoint, data=make_data(), int8=True, clock=clock, algorithm="ecmt")
