"""Building by the vendor's own builder, without a GPU: cancelling, refusals, proofs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any

import pytest

import pliant
from pliant.cli import main
from pliant.cli.sample import SAMPLE_SUITE
from pliant.runtime.tensorrt import build as building
from pliant.runtime.tensorrt import making
from pliant.runtime.tensorrt.bindings import Bindings, vendor_logger
from pliant.runtime.tensorrt.cache import EngineCache
from pliant.runtime.tensorrt.engines import build_engines

from ...full_disk import largest_file
from ..making import make
from .conftest import ADA, FP32, inputs


@pytest.mark.parametrize("capability", ["8.9", "12.0"])
def test_every_subnet_is_built_once(
    rtx: Bindings, path: Path, capability: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, cache = replace(ADA, capability=capability), EngineCache(tmp_path / "engines")
    with pliant.open_suite(path) as suite:
        first = list(build_engines(suite, FP32, settings, cache=cache))
        assert [each.subnet for each in first] == FP32
        assert all(each.fresh and each.info.precisions == {"fp32": 8} for each in first)
        for each in first:
            assert cache.plan_path(each.info.key).stat().st_size == each.info.bytes > 1000
            assert each.info.version == rtx.version
        monkeypatch.setattr(making, "build_plan", _must_not)
        again = list(build_engines(suite, FP32, settings, cache=cache))
    assert [(each.fresh, each.info) for each in again] == [(False, each.info) for each in first]


def _must_not(*given: object, **named: object) -> None:
    raise AssertionError("built again")


def test_stopped_it_leaves_nothing(rtx: Bindings, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_LOOK", 0.001)
    cache, told = EngineCache(tmp_path / "engines"), list[tuple[str, int, int]]()

    def interrupt(what: str, done: int, total: int) -> None:
        told.append((what, done, total))
        raise KeyboardInterrupt

    with pliant.open_suite(path) as suite, pytest.raises(KeyboardInterrupt):
        list(build_engines(suite, FP32, ADA, cache=cache, report=interrupt))
    ((what, done, total),) = told
    assert what == "building s01-fp32"
    assert 0 <= done <= total
    assert cache.all() == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("building")]


def test_the_builder_stops_where_it_is_told_to(rtx: Bindings, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the monitor answers decides: a builder that went on would block a terminal for half an hour."""
    with pliant.open_suite(path) as suite:
        graph, arrays = inputs(suite, "s03-fp32")
    job = building._Job(rtx, graph, arrays, ADA, "a test", None)
    job.stop = True
    job.run()
    assert isinstance(job.error, pliant.EngineUnavailable)
    assert job.plan is None


def test_one_that_waits_for_its_turn_is_stopped_too(rtx: Bindings, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        graph, arrays = inputs(suite, "s03-fp32")
    job = building._Job(rtx, graph, arrays, ADA, "a test", None)
    with building._TURN.lock:
        job.start()
        job.end()
    assert "was stopped" in str(job.error)


ENDING = """
import threading, time
from pliant.cli import main
import pliant
from pliant.runtime.tensorrt import build
build._LOOK = 0.001
from pliant.runtime.tensorrt.settings import BuildSettings
from pliant.runtime.tensorrt.engines import build_engines
suite = pliant.open_suite({path!r})
settings = BuildSettings("tensorrt-rtx", "8.9")
work = lambda: [each for each in build_engines(suite, suite.subnets, settings)]
threading.Thread(target=work, daemon=True).start()
while not build._RUNNING:
    time.sleep(0.001)
time.sleep({delay})
"""


def test_a_build_that_begins_while_the_process_ends_is_waited_for(
    rtx: Bindings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end comes between the decision to build and the thread's start: it waits for both."""
    monkeypatch.setattr(building, "_ENDED", threading.Event())
    with pliant.open_suite(path) as suite:
        graph, arrays = inputs(suite, "s03-fp32")
    job = building._Job(rtx, graph, arrays, ADA, "a test", None)
    ending, start = threading.Thread(target=building._end), job.thread.start

    def begin() -> None:
        ending.start()
        ending.join(0.2)
        start()

    monkeypatch.setattr(job.thread, "start", begin)
    job.start()
    ending.join()
    assert job.stop
    assert not job.thread.is_alive()
    with pytest.raises(pliant.EngineUnavailable, match="the process ends"):
        building._Job(rtx, graph, arrays, ADA, "another", None).start()
    building._RUNNING.discard(job)


@pytest.mark.parametrize("begins", [True, False])
def test_a_build_whose_start_is_interrupted_is_waited_for_where_it_began(
    rtx: Bindings, path: Path, monkeypatch: pytest.MonkeyPatch, begins: bool
) -> None:
    """Starting a thread waits for it, and that wait ends by Ctrl-C, with the thread running or none."""
    monkeypatch.setattr(building, "_BEGIN", 0.2)
    with pliant.open_suite(path) as suite:
        graph, arrays = inputs(suite, "s03-fp32")
    start, threads = threading.Thread.start, []

    def interrupted(thread: threading.Thread) -> None:
        if begins:
            start(thread)
        threads.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        building.build_plan(rtx, graph, arrays, ADA, "a test")
    (thread,) = threads
    assert not thread.is_alive()
    assert thread not in [job.thread for job in building._RUNNING]


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.2])
def test_a_process_that_ends_while_it_builds_ends_well(rtx: Bindings, delay: float) -> None:
    """NVIDIA's threads call back into Python: without it they end the process by a signal."""
    code = ENDING.format(path=str(SAMPLE_SUITE), delay=delay)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_integers_that_are_none_are_not_kept(rtx: Bindings, tmp_path: Path) -> None:
    made = make()
    first, integer = (entry for entry in made.manifest["subnets"] if entry["id"].startswith("s01"))
    first["precision"], integer["precision"] = "int8", "fp32"
    first["graphs"]["tensorrt"] = first["graphs"]["onnxruntime"]
    with pliant.open_suite(made.write(tmp_path / "lying.pliant")) as suite:
        with pytest.raises(pliant.EngineUnavailable, match="s01-fp32 is int8, but its engine has 8 fp32: not kept"):
            list(build_engines(suite, ["s01-fp32"], ADA, cache=EngineCache(tmp_path / "engines")))
        with pytest.raises(pliant.SuiteError, match=r"no graph of subnet s02-fp32 for tensorrt: .* choose another"):
            list(build_engines(suite, ["s02-fp32"], ADA))


def test_weights_come_from_a_file_where_the_parser_takes_no_others(
    rtx: Bindings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT 10.3, of JetPack 6; its parser is this one without the newer names."""
    real = rtx.module

    class Old:
        def __init__(self, *given: Any) -> None:
            self._parser = real.OnnxParser(*given)

        def parse_from_file(self, path: str) -> bool:
            return bool(self._parser.parse_from_file(path))

    names = {name: getattr(real, name) for name in dir(real) if not name.startswith("__")}
    older = replace(rtx, module=SimpleNamespace(**{**names, "OnnxParser": Old}))
    # The library knows one logger only.
    logger = vendor_logger(real)
    monkeypatch.setattr(building, "vendor_logger", lambda _: logger)
    with pliant.open_suite(path) as suite:
        graph, arrays = inputs(suite, "s02-fp32")
    plans = [building.build_plan(each, graph, arrays, ADA, "a test") for each in (older, rtx)]
    assert plans[0].precisions == plans[1].precisions == {"fp32": 8}
    assert plans[0].said == plans[1].said == ()
    assert abs(len(plans[0].data) - len(plans[1].data)) < 0.05 * len(plans[1].data)
    refused = pytest.raises(pliant.EngineUnavailable, match=f"a test failed: .*File too large: '{gettempdir()}")
    with largest_file(300), refused:
        building.build_plan(older, graph, arrays, ADA, "a test")


@pytest.mark.parametrize("capability", ["8.6", "12.0"])
def test_every_subnet_of_the_sample_suite_is_built(rtx: Bindings, capability: str, tmp_path: Path) -> None:
    with pliant.open_suite(SAMPLE_SUITE) as suite:
        found = list(
            build_engines(suite, suite.subnets, replace(ADA, capability=capability), cache=EngineCache(tmp_path))
        )
    assert [each.subnet for each in found] == [subnet.id for subnet in suite.subnets]
    for each in found:
        assert each.info.precisions.get("int8", 0) > (20 if each.subnet.endswith("int8") else -1), each
        assert ("int8" in each.info.precisions) == each.subnet.endswith("int8")


def test_what_the_parser_refuses_is_told_with_its_words(rtx: Bindings, path: Path) -> None:
    with pliant.open_suite(path) as suite:
        graph, arrays = inputs(suite, "s01-fp32")
    arrays["mix.weight"] = arrays["mix.weight"][:, :-1]
    with pytest.raises((pliant.SuiteError, pliant.EngineUnavailable), match="a test"):
        building.build_plan(rtx, graph, arrays, ADA, "a test")


def test_the_verb(rtx: Bindings, path: Path, capsys: pytest.CaptureFixture[str], own_cache: Path) -> None:
    asked = ["build", str(path), "--engine", "tensorrt-rtx", "--compute-capability", "8.9", "--subnet", "s01-fp32"]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (engine,) = told["engines"]
    assert (engine["subnet"], engine["fresh"], engine["precisions"]) == ("s01-fp32", True, {"fp32": 8})
    assert (own_cache / "engines" / f"{engine['key']}.plan").stat().st_size == engine["bytes"]
    assert main(asked) == 0
    shown = capsys.readouterr()
    assert "s01-fp32" in shown.out
    assert "8 fp32" in shown.out
    assert "compute capability 8.9" in shown.err
    assert main(["build", str(path), "--engine", "tensorrt-rtx", "--subnet", "s01-fp32"]) == 1
    assert "--compute-capability" in capsys.readouterr().err


def test_the_verb_builds_what_there_is_a_graph_of(
    rtx: Bindings, tmp_path: Path, capsys: pytest.CaptureFixture[str], own_cache: Path
) -> None:
    made = make()
    first = made.manifest["subnets"][0]
    first["graphs"]["tensorrt"] = first["graphs"]["onnxruntime"]
    path = made.write(tmp_path / "some.pliant")
    asked = ["build", str(path), "--engine", "tensorrt-rtx", "--compute-capability", "8.9"]
    assert main([*asked, "--json"]) == 0
    shown = capsys.readouterr()
    assert [each["subnet"] for each in json.loads(shown.out)["engines"]] == [first["id"]]
    assert "without a graph for TensorRT" in shown.err
    assert "s02-fp32" in shown.err
    del first["graphs"]["tensorrt"]
    assert main([*asked[:1], str(made.write(tmp_path / "none.pliant")), *asked[2:]]) == 1
    assert "export it with that target" in capsys.readouterr().err
