"""Target descriptors: all cite sources, and machines find theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

import pliant
from pliant.devices.fingerprint import Fingerprint, read_fingerprint
from pliant.devices.targets import all_targets, get_target, match_target, read_targets

X86 = Fingerprint("cpu", "x86_64", 2, ("avx2",), 1, "Linux")
ARM = Fingerprint("cpu", "aarch64", 4, ("neon", "dotprod"), 1, "Linux")


def test_every_descriptor_cites_a_source_and_has_sound_fields() -> None:
    assert len(all_targets()) >= 5
    for target in all_targets().values():
        assert target.sources
        assert set(target.precisions) <= {"fp32", "fp16", "int8"}
        assert "fp32" in target.precisions
        assert set(target.engines) <= {"onnxruntime", "tensorrt"}
        assert target.channel_multiple in (8, 16, 32)
        assert target.int8.weights == "int8"


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (X86, "x86"),
        (replace(X86, isa=("avx2", "avx_vnni")), "x86-vnni"),
        (replace(X86, isa=()), None),
        (replace(ARM, board="Raspberry Pi 5 Model B Rev 1.0"), "raspberry-pi-5"),
        (replace(ARM, board="NVIDIA Jetson Orin Nano Developer Kit"), "jetson-orin-nano"),
        (replace(ARM, board="NVIDIA Jetson AGX Orin Developer Kit"), "jetson-agx-orin"),
        (ARM, None),
    ],
)
def test_a_machine_finds_its_descriptor(machine: Fingerprint, name: str | None) -> None:
    found = match_target(machine)
    assert (found.name if found else None) == name


def test_only_machines_without_vnni_need_seven_bits() -> None:
    assert [name for name, target in all_targets().items() if target.int8.reduce_range] == ["x86"]


def test_this_machine_does_not_fail() -> None:
    found = match_target(read_fingerprint())
    assert found is None or found.name in all_targets()


def test_an_unknown_target_is_named_with_those_that_exist() -> None:
    with pytest.raises(pliant.ConfigError, match="raspberry-pi-5"):
        get_target("toaster")


def test_a_descriptor_without_a_source_is_refused() -> None:
    with pytest.raises(pliant.ConfigError):
        read_targets({"_version": 1, "targets": {"a": {"title": "x"}}})
    with pytest.raises(pliant.ConfigError):
        read_targets({"_version": 2, "targets": {}})
