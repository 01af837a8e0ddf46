"""Target descriptors: each cites its sources and agrees with itself, and machines find theirs."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import pliant
from pliant.devices.fingerprint import Fingerprint, read_fingerprint
from pliant.devices.jetpack import all_releases
from pliant.devices.target import CLAIMS, Target
from pliant.devices.target_reading import read_target
from pliant.devices.targets import all_targets, get_target, match_card, match_target

from .trees import ORIN_NANO, RASPBERRY, XAVIER_NX, files

X86 = Fingerprint("cpu", "x86_64", 2, ("avx2",), 1, "Linux")
ARM = Fingerprint("cpu", "aarch64", 4, ("neon", "dotprod"), 1, "Linux")
L4T = (("l4t", "36.4.3"), ("module", "p3701-0005 p3737-0000"))
CARD = "NVIDIA H200, 570.1, 143771 MiB, 1980 MHz, 700 W"
OLD_BOARDS = {"jetson-nano", "jetson-tx2", "jetson-xavier-nx", "jetson-agx-xavier"}


def descriptor(name: str) -> dict[str, Any]:
    text = resources.files("pliant.devices").joinpath("boards", f"{name}.json").read_text(encoding="utf-8")
    entry: dict[str, Any] = json.loads(text)
    return entry


def test_every_machine_that_was_promised_has_a_descriptor() -> None:
    orins = {"jetson-orin-nano", "jetson-orin-nx", "jetson-agx-orin", "jetson-thor"}
    others = {"nvidia-gpu", "x86-vnni", "x86", "raspberry-pi-5", "apple-silicon"}
    assert set(all_targets()) == OLD_BOARDS | orins | others


@pytest.mark.parametrize("target", all_targets().values(), ids=lambda target: target.name)
def test_a_descriptor_is_sound(target: Target) -> None:
    assert descriptor(target.name)["name"] == target.name
    assert target.unsourced() == []
    assert {claim for source in target.sources for claim in source.about} <= {*CLAIMS, "match"}
    assert set(target.our_choice) <= set(CLAIMS)
    assert target.precisions[0] == "fp32"
    assert set(target.precisions) <= {"fp32", "fp16", "int8"}
    assert set(target.engines) <= {"onnxruntime", "tensorrt"}
    assert ("int8" in target.precisions) == (target.int8 is not None)
    assert target.channel_multiple in (None, 8, 16, 32)
    assert target.memory is None or list(target.memory.bytes) == sorted(set(target.memory.bytes))
    assert all(size % 2**30 == 0 for size in (target.memory.bytes if target.memory else ()))
    assert not target.match.names_a_board or any("match" in source.about for source in target.sources)
    assert target.notes


@pytest.mark.parametrize("target", all_targets().values(), ids=lambda target: target.name)
def test_a_source_has_an_address_and_says_something(target: Target) -> None:
    for source in target.sources:
        assert re.fullmatch(r"https://[\w.-]+(/[^\s]*)?", source.url), source.url
        assert source.about
        assert len(source.says) > 10


@pytest.mark.parametrize(
    "target", [t for t in all_targets().values() if t.name.startswith("jetson")], ids=lambda t: t.name
)
def test_a_jetson_names_its_module_its_gpu_and_known_jetpacks(target: Target) -> None:
    assert set(target.jetpack) <= {release.jetpack for release in all_releases()}
    assert target.jetpack
    assert all(re.fullmatch(r"p\d{4}-\d{4}", part) for part in target.match.parts)
    assert target.memory is not None
    assert target.gpu is not None
    for modes in target.power_modes:
        assert sorted(modes.names) == list(range(len(modes.names)))
    assert not target.tried  # change it together with the result file that shows the run


def test_no_module_is_of_two_boards() -> None:
    parts = [part for target in all_targets().values() for part in target.match.parts]
    assert len(parts) == len(set(parts))


def test_boards_before_jetpack_6_take_plain_onnx_only() -> None:
    assert {name for name, target in all_targets().items() if target.extract_only} == OLD_BOARDS
    assert all(get_target(name).engines == ("tensorrt",) for name in OLD_BOARDS)


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (X86, "x86"),
        (replace(X86, isa=("avx2", "avx_vnni")), "x86-vnni"),
        (replace(X86, isa=("avx2", "avx512", "avx512_vnni", "amx")), "x86-vnni"),
        (replace(X86, isa=()), None),
        (replace(ARM, board="Raspberry Pi 5 Model B Rev 1.0"), "raspberry-pi-5"),
        (replace(ARM, board="Raspberry Pi 4 Model B Rev 1.4"), None),
        (replace(ARM, board="NVIDIA Jetson Nano Developer Kit"), "jetson-nano"),
        (replace(ARM, board="quill"), "jetson-tx2"),
        (replace(ARM, board="NVIDIA Jetson Xavier NX Developer Kit"), "jetson-xavier-nx"),
        (replace(ARM, board="NVIDIA Jetson AGX Xavier Developer Kit"), "jetson-agx-xavier"),
        (replace(ARM, board="NVIDIA Jetson Orin Nano Developer Kit"), "jetson-orin-nano"),
        (replace(ARM, board="NVIDIA Jetson Orin NX Engineering Reference Developer Kit"), "jetson-orin-nx"),
        (replace(ARM, board="NVIDIA Jetson AGX Orin Developer Kit"), "jetson-agx-orin"),
        (replace(ARM, board="NVIDIA Jetson AGX Thor Developer Kit"), "jetson-thor"),
        (replace(ARM, board="a carrier of somebody's own", settings=L4T), "jetson-agx-orin"),
        (replace(ARM, machine="arm64"), "apple-silicon"),
        (ARM, None),
    ],
)
def test_a_machine_finds_its_descriptor(machine: Fingerprint, name: str | None) -> None:
    found = match_target(machine)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("tree", "name"),
    [(ORIN_NANO, "jetson-orin-nano"), (XAVIER_NX, "jetson-xavier-nx"), (RASPBERRY, "raspberry-pi-5")],
)
def test_a_made_root_finds_its_descriptor(tmp_path: Path, tree: dict[str, str], name: str) -> None:
    found = match_target(read_fingerprint(files(tmp_path, tree), machine="aarch64"))
    assert found is not None
    assert found.name == name


def test_a_card_is_found_beside_the_machine_it_is_in() -> None:
    machine = replace(X86, gpus=(CARD,))
    card = match_card(machine)
    assert card is not None
    assert card.name == "nvidia-gpu"
    assert getattr(match_target(machine), "name", None) == "x86"
    assert match_card(X86) is None
    assert match_card(replace(ARM, gpus=("Tegra integrated GPU",), settings=L4T)) is None


def test_only_machines_without_vnni_need_seven_bits() -> None:
    assert [name for name, t in all_targets().items() if t.int8 is not None and t.int8.reduce_range] == ["x86"]


def test_this_machine_does_not_fail() -> None:
    found = match_target(read_fingerprint())
    assert found is None or found.name in all_targets()


def test_an_unknown_target_is_named_with_those_that_exist() -> None:
    with pytest.raises(pliant.ConfigError, match="raspberry-pi-5"):
        get_target("toaster")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"_version": 3}, "version 3"),
        ({"extra": 1}, "unknown or missing key 'extra'"),
        ({"sources": []}, "cites no source for"),
        ({"tried": "yes"}, "neither true nor false"),
        ({"precisions": "fp32"}, "no list"),
        ({"memory": {"bytes": [1.5], "shared": True}}, "no whole number"),
        ({"match": {"machine": ["aarch64"]}}, "unknown or missing key"),
    ],
)
def test_a_damaged_descriptor_is_refused(damage: dict[str, object], said: str) -> None:
    with pytest.raises(pliant.ConfigError, match=said):
        read_target({**descriptor("jetson-orin-nano"), **damage})


@pytest.mark.parametrize("entry", [None, [], {}, "x"])
def test_something_else_is_refused(entry: object) -> None:
    with pytest.raises(pliant.ConfigError):
        read_target(entry)
