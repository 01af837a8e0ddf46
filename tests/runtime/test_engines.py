"""TensorRT engines, built by NVIDIA's own TensorRT for RTX without a GPU: keys, cache, cancelling, refusals."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pliant
from pliant.cli import main
from pliant.cli.sample import SAMPLE_SUITE
from pliant.devices.fingerprint import read_fingerprint
from pliant.runtime.tensorrt import build as building
from pliant.runtime.tensorrt import engines
from pliant.runtime.tensorrt.bindings import Bindings, capabilities, check_buildable, load_bindings
from pliant.runtime.tensorrt.cache import EngineCache, engine_key
from pliant.runtime.tensorrt.engines import build_engines
from pliant.runtime.tensorrt.settings import BuildSettings

from .making import Made, make

ADA = BuildSettings("tensorrt-rtx", "8.9", 4)


def lowered(made: Made) -> Made:
    """With graphs for TensorRT: those in fp32 are the same."""
    for entry in made.manifest["subnets"]:
        if entry["precision"] == "fp32":
            entry["graphs"]["tensorrt"] = entry["graphs"]["onnxruntime"]
    return made


@pytest.fixture(scope="module")
def rtx() -> Bindings:
    pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT for RTX is not installed")
    return load_bindings("tensorrt-rtx")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lowered(make()).write(tmp_path_factory.mktemp("engines") / "made.pliant")


LIES: tuple[dict[str, Any], ...] = ({"key": "../victim"}, {"built": 5}, {"_version": 2})
FP32 = ["s01-fp32", "s02-fp32", "s03-fp32"]


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
        monkeypatch.setattr(engines, "build_plan", _must_not)
        again = list(build_engines(suite, FP32, settings, cache=cache))
    assert [(each.fresh, each.info) for each in again] == [(False, each.info) for each in first]


def _must_not(*given: object, **named: object) -> None:
    raise AssertionError("built again")


def test_whatever_decides_an_engine_is_in_its_key(rtx: Bindings) -> None:
    arrays: dict[str, np.ndarray[Any, Any]] = {"a": np.arange(6, dtype=np.float32), "b": np.zeros(3, np.int8)}
    base = engine_key(b"graph", arrays, ADA, rtx)
    assert base == engine_key(b"graph", dict(reversed(arrays.items())), ADA, rtx)
    others = [
        engine_key(b"graph2", arrays, ADA, rtx),
        engine_key(b"graph", {**arrays, "a": arrays["a"] + 1}, ADA, rtx),
        engine_key(b"graph", {**arrays, "a": arrays["a"].reshape(2, 3)}, ADA, rtx),
        engine_key(b"graph", {**arrays, "a": arrays["a"].view(np.int32)}, ADA, rtx),
        engine_key(b"graph", {"a": arrays["a"], "c": arrays["b"]}, ADA, rtx),
        engine_key(b"graph", arrays, replace(ADA, batch=5), rtx),
        engine_key(b"graph", arrays, replace(ADA, capability="12.0"), rtx),
        engine_key(b"graph", arrays, ADA, replace(rtx, version="0")),
        engine_key(b"graph", arrays, ADA, replace(rtx, driver="580.1")),
    ]
    assert len({base, *others}) == len(others) + 1


def test_a_stale_engine_gives_way(rtx: Bindings, path: Path, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    with pliant.open_suite(path) as suite:
        (old,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
        (kept,) = build_engines(suite, ["s01-fp32"], replace(ADA, batch=1), cache=cache)
    own = tmp_path / "made.pliant"
    own.write_bytes(path.read_bytes())
    with pliant.open_suite(own) as suite:
        (same,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
    assert (same.fresh, same.info.key) == (False, old.info.key)
    lowered(make(seed=1)).write(path)
    try:
        with pliant.open_suite(path) as suite:
            (new,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
    finally:
        path.write_bytes(own.read_bytes())
    assert (new.fresh, new.replaced) == (True, 1)
    assert {each.key for each in cache.all()} == {kept.info.key, new.info.key}
    assert not cache.plan_path(old.info.key).exists()


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw[:99] + b"x" + raw[100:], lambda raw: None])
def test_a_damaged_engine_is_built_anew(
    rtx: Bindings, path: Path, tmp_path: Path, damage: Callable[[bytes], bytes | None]
) -> None:
    cache = EngineCache(tmp_path / "engines")
    with pliant.open_suite(path) as suite:
        (first,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
        plan = cache.plan_path(first.info.key)
        raw = damage(plan.read_bytes())
        if raw is None:
            plan.unlink()
        else:
            plan.write_bytes(raw)
        assert cache.find(first.info.key) is None
        (again,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
    assert again.fresh
    assert cache.find(first.info.key) is not None


def test_stopped_it_leaves_nothing(rtx: Bindings, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_LOOK", 0.001)
    cache, told = EngineCache(tmp_path / "engines"), list[tuple[str, int, int]]()

    def interrupt(what: str, done: int, total: int) -> None:
        told.append((what, done, total))
        raise KeyboardInterrupt

    with pliant.open_suite(path) as suite, pytest.raises(KeyboardInterrupt):
        list(build_engines(suite, FP32, ADA, cache=cache, report=interrupt))
    assert len(told) == 1
    assert told[0][0] == "building s01-fp32"
    assert 0 <= told[0][1] <= told[0][2]
    assert cache.all() == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("building")]


def test_the_builder_stops_where_it_is_told_to(rtx: Bindings, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the monitor answers decides: a builder that went on would block a terminal for half an hour."""
    with pliant.open_suite(path) as suite:
        graph, arrays = engines._inputs(suite, suite.subnet("s03-fp32"))
    job = building._Job(rtx, graph, arrays, ADA, "a test", None)
    job.stop = True
    job.run()
    assert isinstance(job.error, pliant.EngineUnavailable)
    assert job.plan is None


def test_integers_that_are_none_are_not_kept(rtx: Bindings, tmp_path: Path) -> None:
    made = make()
    first, integer = (entry for entry in made.manifest["subnets"] if entry["id"].startswith("s01"))
    first["precision"], integer["precision"] = "int8", "fp32"
    first["graphs"]["tensorrt"] = first["graphs"]["onnxruntime"]
    with pliant.open_suite(made.write(tmp_path / "lying.pliant")) as suite:
        with pytest.raises(pliant.EngineUnavailable, match="s01-fp32 is int8, but its engine has 8 fp32: not kept"):
            list(build_engines(suite, ["s01-fp32"], ADA, cache=EngineCache(tmp_path / "engines")))
        with pytest.raises(pliant.SuiteError, match="no graph of s02-fp32 for TensorRT"):
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
    logger = building._logger(real)
    monkeypatch.setattr(building, "_logger", lambda _: logger)
    with pliant.open_suite(path) as suite:
        graph, arrays = engines._inputs(suite, suite.subnet("s02-fp32"))
    plans = [building.build_plan(each, graph, arrays, ADA, "a test") for each in (older, rtx)]
    assert plans[0].precisions == plans[1].precisions == {"fp32": 8}
    assert plans[0].said == plans[1].said == ()
    assert abs(len(plans[0].data) - len(plans[1].data)) < 0.05 * len(plans[1].data)


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
        graph, arrays = engines._inputs(suite, suite.subnet("s01-fp32"))
    arrays["mix.weight"] = arrays["mix.weight"][:, :-1]
    with pytest.raises((pliant.SuiteError, pliant.EngineUnavailable), match="a test"):
        building.build_plan(rtx, graph, arrays, ADA, "a test")


def test_there_must_be_a_gpu_or_its_name(rtx: Bindings) -> None:
    known = capabilities(rtx)
    assert {"8.9", "12.0"} <= set(known)
    with pytest.raises(pliant.EngineUnavailable, match=r"no NVIDIA GPU here.*--compute-capability \d"):
        check_buildable(rtx, replace(ADA, capability=None), ())
    check_buildable(rtx, replace(ADA, capability=None), ("an RTX",))
    with pytest.raises(pliant.BudgetError, match=r"no GPU of compute capability 3.5: only 7.5"):
        check_buildable(rtx, replace(ADA, capability="3.5"), ())
    trt = Bindings("tensorrt", SimpleNamespace(), "10.3.0")
    with pytest.raises(pliant.EngineUnavailable, match=r"no NVIDIA GPU here to build TensorRT engines for$"):
        check_buildable(trt, BuildSettings("tensorrt"), ())


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"engine": "openvino"}, "no engine 'openvino'"),
        ({"engine": "tensorrt", "capability": "8.9"}, "GPU of this machine only"),
        ({"capability": "eight"}, "as in 8.9"),
        ({"dla": 0}, "a Jetson's"),
        ({"engine": "tensorrt", "dla": -1}, "a Jetson's"),
        ({"batch": 0}, "batch of 0"),
    ],
)
def test_settings_that_nothing_can_be_built_for(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(pliant.BudgetError, match=says):
        BuildSettings(**settings)


def test_an_engine_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("tensorrt", "tensorrt_rtx_libs"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(pliant.EngineUnavailable, match="pip install tensorrt"):
        load_bindings("tensorrt")
    with pytest.raises(pliant.EngineUnavailable, match=r"pip install 'pliant\[tensorrt-rtx\]'"):
        load_bindings("tensorrt-rtx")
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="8.6.1"))
    with pytest.raises(pliant.EngineUnavailable, match=r"8\.6\.1 is too old"):
        load_bindings("tensorrt")


def test_two_suites_of_one_name_leave_each_others_engines(rtx: Bindings, path: Path, tmp_path: Path) -> None:
    cache, other = EngineCache(tmp_path / "engines"), lowered(make(seed=1)).write(tmp_path / "other.pliant")
    for fresh in (True, False):
        for each in (path, other):
            with pliant.open_suite(each) as suite:
                (found,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
            assert (found.fresh, found.replaced) == (fresh, 0)


def test_descriptions_that_lie_are_not_believed(rtx: Bindings, path: Path, tmp_path: Path) -> None:
    cache = EngineCache(tmp_path / "engines")
    with pliant.open_suite(path) as suite:
        (old,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
    (tmp_path / "victim.json").touch()
    described = json.loads((cache.folder / f"{old.info.key}.json").read_text())
    for index, lie in enumerate(LIES):
        (cache.folder / f"{index:064x}.json").write_text(json.dumps({**described, **lie}))
    (cache.folder / f"{9:064x}.json").write_text("[" * 10_000)
    assert [each.key for each in cache.all()] == [old.info.key]
    with pliant.open_suite(path) as suite:
        list(build_engines(suite, ["s01-fp32"], replace(ADA, batch=2), cache=cache))
    assert (tmp_path / "victim.json").exists()


def test_more_images_than_the_suite_takes_are_not_built_for(rtx: Bindings, path: Path) -> None:
    with pliant.open_suite(path) as suite, pytest.raises(pliant.BudgetError, match="at most 8 images"):
        list(build_engines(suite, ["s01-fp32"], replace(ADA, batch=9)))


def test_what_identifies_a_gpu_is_no_limit_of_it() -> None:
    machine = replace(read_fingerprint(), settings=(), gpus=("RTX A, 580.1, 16384 MiB, 2100 MHz, 70 W",))
    assert engines.gpu_identity(machine) == "RTX A, 580.1"
    board = replace(machine, board="Orin Nano", settings=(("l4t", "36.4"),), gpus=("Tegra integrated GPU",))
    assert engines.gpu_identity(board) == "Orin Nano, L4T 36.4"


def test_a_folder_that_others_can_write_to_holds_no_engines(rtx: Bindings, path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engines"
    folder.mkdir()
    folder.chmod(0o777)
    with pliant.open_suite(path) as suite, pytest.raises(pliant.PliantError, match="chmod go-w"):
        list(build_engines(suite, ["s01-fp32"], ADA, cache=EngineCache(folder)))
    assert os.listdir(folder) == []


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
