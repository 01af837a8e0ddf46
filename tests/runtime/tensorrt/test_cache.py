"""Engines that were built: their keys, and which give way, are damaged, or lie."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pliant
from pliant.runtime.tensorrt import here
from pliant.runtime.tensorrt.bindings import Bindings
from pliant.runtime.tensorrt.cache import EngineCache, engine_key
from pliant.runtime.tensorrt.engines import build_engines
from pliant.runtime.tensorrt.sources import key_of

from ..making import make
from .conftest import ADA, build, lowered
from .fake import Vendor

LIES: tuple[dict[str, Any], ...] = ({"key": "../victim"}, {"built": 5}, {"_version": 1})


def test_whatever_decides_an_engine_is_in_its_key(rtx: Bindings) -> None:
    parts = {"graph": "aa", "weights/a": "bb", "record/s01": "cc"}
    base = engine_key(parts, ADA, rtx)
    assert base == engine_key(dict(reversed(parts.items())), ADA, rtx)
    others = [
        *(engine_key({**parts, name: "dd"}, ADA, rtx) for name in parts),
        engine_key({**parts, "weights/b": "bb"}, ADA, rtx),
        engine_key(parts, replace(ADA, capability="12.0"), rtx),
        engine_key(parts, ADA, replace(rtx, version="0")),
        engine_key(parts, ADA, replace(rtx, driver="580.1")),
    ]
    assert len({base.text, *(each.text for each in others)}) == len(others) + 1
    assert len({base.content, *(each.content for each in others)}) == len(others) + 1
    for other in (replace(ADA, batch=5), replace(ADA, tasks=("depth",))):
        key = engine_key(parts, other, rtx)
        assert (key.text != base.text, key.content == base.content) == (True, True)


def test_a_suite_that_names_fewer_tasks_has_another_engine(rtx: Bindings, path: Path, tmp_path: Path) -> None:
    made = lowered(make())
    with pliant.open_suite(path) as suite:
        whole = key_of(suite, suite.subnet("s01-fp32"), ADA, rtx)
    gone = next(iter(made.manifest["tasks"]))
    del made.manifest["tasks"][gone]
    for entry in made.manifest["subnets"]:
        for part in (entry["parts"]["decoders"], entry["widths"]["decoders"], entry["quality"]):
            del part[gone]
    with pliant.open_suite(made.write(tmp_path / "fewer.pliant")) as suite:
        assert key_of(suite, suite.subnet("s01-fp32"), ADA, rtx).content != whole.content


def test_a_suite_that_lies_about_its_weights_leaves_no_engine(rtx: Bindings, path: Path, tmp_path: Path) -> None:
    """The key is made of digests: another suite, with the weights that these digests are of, would find the engine."""
    raw, cache = path.read_bytes(), EngineCache(tmp_path / "engines")
    with pliant.open_suite(path) as suite:
        entry = suite.container.entry("weights/mix.weight")
    lying = tmp_path / "lying.pliant"
    lying.write_bytes(raw[: entry.start] + bytes(4) + raw[entry.start + 4 :])
    with pliant.open_suite(lying) as suite, pytest.raises(pliant.SuiteError, match=r"digest of 'weights/mix.weight'"):
        list(build_engines(suite, ["s01-fp32"], ADA, cache=cache))
    assert cache.all() == []


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


# Configured by TensorRT for RTX, which says that its timing cache does nothing.
@pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX:DeprecationWarning")
def test_an_engine_for_another_gpu_leaves_that_of_the_first(
    vendor: Vendor, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one who has two GPUs builds for each, by CUDA_VISIBLE_DEVICES."""
    with pliant.open_suite(path) as suite:
        (first,) = build(suite, "s01-fp32")
        vendor.gpu.uuid = bytes(16)
        (other,) = build(suite, "s01-fp32")
        assert (other.fresh, other.replaced) == (True, 0)
        monkeypatch.setattr(here, "gpu_identity", lambda machine: "RTX A, 999.9")  # a newer driver
        (newer,) = build(suite, "s01-fp32")
        assert (newer.fresh, newer.replaced) == (True, 1)
    assert {each.key for each in EngineCache().all()} == {first.info.key, newer.info.key}


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
        assert cache.read(first.info) is None
        (again,) = build_engines(suite, ["s01-fp32"], ADA, cache=cache)
    assert again.fresh
    assert cache.read(again.info) is not None


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


def test_a_folder_that_others_can_write_to_holds_no_engines(rtx: Bindings, path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "engines"
    folder.mkdir()
    folder.chmod(0o777)
    with pliant.open_suite(path) as suite, pytest.raises(pliant.PliantError, match="chmod go-w"):
        list(build_engines(suite, ["s01-fp32"], ADA, cache=EngineCache(folder)))
    assert os.listdir(folder) == []
