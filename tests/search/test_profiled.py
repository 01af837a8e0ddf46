from __future__ import annotations

from dataclasses import replace

import pytest

from pliant.devices.errors import BudgetError
from pliant.devices.fingerprint import read_fingerprint
from pliant.devices.measure import summarize
from pliant.devices.profile import DeviceProfile, Key
from pliant.export.identity import GraphDigests
from pliant.models.space import SubnetConfig
from pliant.models.supernet import Supernet
from pliant.search.latency.profiled import profiled_latencies

from .making import HEIGHT, NAMES, WIDTH, make_supernet

SUPERNET = make_supernet()


def make_profile(supernet: Supernet, configs: list[SubnetConfig], tasks: tuple[str, ...] = NAMES) -> DeviceProfile:
    """A profile as `pliant profile` would write it; a subnet takes as many milliseconds as its place in the list."""
    digests = GraphDigests(supernet)
    latency, graphs = {}, {}
    for place, config in enumerate(configs, 1):
        key = Key(digests(config), (1, HEIGHT, WIDTH, 3), "cpu", 2, tasks)
        latency[key.text] = summarize([float(place)] * 42)
        widths = {"encoder": list(config.encoder), "decoders": dict(config.decoders)}
        graphs[key.graph] = {**widths, "precision": config.precision}
    return DeviceProfile(read_fingerprint(), {}, latency, {}, graphs)


def test_what_was_profiled_is_found_by_its_widths() -> None:
    supernet, space = SUPERNET, SUPERNET.space
    profile = make_profile(supernet, [space.narrowest, space.widest])
    profile = DeviceProfile.from_json(profile.to_json())
    found = profiled_latencies(profile, supernet)
    assert {config: (each.value, each.kind) for config, each in found.items()} == {
        space.narrowest: (1.0, "measured"),
        space.widest: (2.0, "measured"),
    }


def test_widths_of_another_graph_are_not_believed() -> None:
    supernet, space = SUPERNET, SUPERNET.space
    profile = make_profile(supernet, [space.narrowest, space.widest])
    narrow, wide = list(profile.graphs)
    swapped = {narrow: profile.graphs[wide], wide: profile.graphs[wide]}
    assert list(profiled_latencies(replace(profile, graphs=swapped), supernet)) == [space.widest]


def test_measurements_of_other_threads_are_not_mixed_and_odd_keys_say_nothing() -> None:
    supernet, space = SUPERNET, SUPERNET.space
    profile = make_profile(supernet, [space.narrowest, space.widest])
    one = next(iter(profile.latency))
    other = one.replace("/cpu/2/", "/cpu/1/")
    instant = summarize([0.0] * 42)
    odd = {other: summarize([9.0] * 42), "abc": instant, one.replace("/cpu/2/", "/cpu/3/"): instant}
    found = profiled_latencies(replace(profile, latency={**profile.latency, **odd}), supernet)
    assert [each.value for each in found.values()] == [1.0, 2.0]


def test_fewer_tasks_or_another_precision_say_nothing_of_the_whole_in_fp32() -> None:
    supernet, space = SUPERNET, SUPERNET.space
    for profile in (
        make_profile(supernet, [space.widest], tasks=NAMES[:1]),
        make_profile(supernet, [replace(space.widest, precision="int8")]),
        replace(make_profile(supernet, [space.widest]), graphs={}),
    ):
        with pytest.raises(BudgetError, match="no fp32 subnet of this supernet: export a suite of it"):
            profiled_latencies(profile, supernet)
