"""The fingerprint: the same machine reads the same, any change that matters shows, absent files never fail."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant
from pliant.devices import hardware
from pliant.devices.fingerprint import Fingerprint, read_fingerprint

from .trees import files

ORIN = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp\nCPU part\t: 0xd42\n",
    "proc/meminfo": "MemTotal:        7802080 kB\nMemFree: 1 kB\n",
    "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic\n",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\nA B 1\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\nA B 2\n",
    "var/lib/nvpmodel/status": "pmode:0002",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "schedutil\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1728000\n",
    "sys/class/devfreq/17000000.gpu/max_freq": "1020000000\n",
    "sys/class/devfreq/emmc/max_freq": "1\n",
}


def test_this_machine_reads_the_same_twice_and_says_something() -> None:
    first, second = read_fingerprint(), read_fingerprint()
    assert first == second
    assert first.digest == second.digest
    assert len(first.digest) == 64
    assert first.cores >= 1
    assert first.memory > 2**28
    assert first.cpu
    assert "numpy" not in dict(first.engines)


def test_json_round_trip_of_this_machine() -> None:
    machine = read_fingerprint()
    again = Fingerprint.from_json(json.loads(json.dumps(machine.to_json())))
    assert again == machine
    assert again.digest == machine.digest


def test_a_jetson_is_read_from_its_files(tmp_path: Path) -> None:
    machine = read_fingerprint(files(tmp_path, ORIN))
    settings = dict(machine.settings)
    assert machine.board == "NVIDIA Jetson Orin Nano Developer Kit"
    assert machine.cpu == "Cortex-A78AE"
    assert machine.isa == ("neon", "dotprod", "fp16")
    assert machine.memory == 7802080 * 1024
    assert machine.power_mode == "MAXN_SUPER"
    assert settings["governor"] == "schedutil"
    assert settings["cpu_max_khz"] == "1728000"
    assert settings["gpu_max_hz"] == "1020000000"
    assert settings["l4t"] == "36.4.3"
    assert len(machine.gpus) == 1


def test_power_mode_and_clocks_change_the_digest(tmp_path: Path) -> None:
    files(tmp_path, ORIN)
    before = read_fingerprint(tmp_path)
    files(tmp_path, {"var/lib/nvpmodel/status": "pmode:0000"})
    after = read_fingerprint(tmp_path)
    assert after.digest != before.digest
    assert after.differences(before) == ["power_mode was MAXN_SUPER, is 15W"]
    files(tmp_path, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1113600"})
    assert read_fingerprint(tmp_path).digest != after.digest


def test_nothing_readable_is_no_error(tmp_path: Path) -> None:
    machine = read_fingerprint(tmp_path)
    assert machine.isa == ()
    assert machine.settings == ()
    assert machine.board == ""


def test_a_container_with_fewer_processors_is_another_machine(tmp_path: Path) -> None:
    before = read_fingerprint(files(tmp_path, ORIN))
    after = read_fingerprint(files(tmp_path, {"sys/fs/cgroup/cpu.max": "150000 100000"}))
    assert dict(after.settings)["cpu_quota"] == "1.5"
    assert after.digest != before.digest


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
@pytest.mark.parametrize("kind", ["cpu_capacity", "cpufreq/cpuinfo_max_freq"])
def test_a_process_bound_to_small_cores_is_on_another_machine_than_one_on_large_ones(tmp_path: Path, kind: str) -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("there is one core only")
    large, small = sorted(allowed)[:2]
    cpu = "sys/devices/system/cpu"
    files(tmp_path, {f"{cpu}/cpu{large}/{kind}": "1024\n", f"{cpu}/cpu{small}/{kind}": "446\n"})
    try:
        os.sched_setaffinity(0, {large})
        before = read_fingerprint(tmp_path)
        os.sched_setaffinity(0, {small})
        after = read_fingerprint(tmp_path)
    finally:
        os.sched_setaffinity(0, allowed)
    assert after.digest != before.digest
    assert after.differences(before) == ["core_classes was 1 of 1024, is 1 of 446"]
    files(tmp_path, {f"{cpu}/cpu{small}/{kind}": "1024\n"})
    assert "core_classes" not in dict(read_fingerprint(tmp_path).settings), "cores are all of one class here"


def test_which_gpu_cuda_may_see_counts_where_they_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is given another GPU of the same kind keeps its figures."""
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    for kinds, count in (("A10 A10", 1), ("A10 L4", 2)):
        tool = tmp_path / kinds.replace(" ", "-") / "nvidia-smi"
        tool.parent.mkdir()
        tool.write_text(f"#!/bin/sh\nprintf '%s\\n' {kinds}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
        found = []
        for index in "01":
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", index)
            found.append(read_fingerprint())
        assert found[0].gpus == tuple(kinds.split())
        assert len({each.digest for each in found}) == count
    assert found[1].differences(found[0]) == ["cuda_visible_devices was 0, is 1"]


def test_nvidia_smi_that_fails_or_is_no_program_counts_as_no_gpu(tmp_path: Path) -> None:
    for text in ("#!/bin/sh\nexit 9\n", "not a program"):
        tool = tmp_path / f"tool{len(text)}"
        tool.write_text(text)
        tool.chmod(0o755)
        assert hardware._nvidia_smi(str(tool)) == ()


@given(st.sampled_from(["cpu", "machine", "board", "cores", "isa", "settings", "gpus", "engines"]))
def test_every_field_that_matters_is_in_the_digest(name: str) -> None:
    machine = Fingerprint("cpu", "x86_64", 2, ("avx2",), 1, "Linux 6")
    other: dict[str, object] = {"cores": 3, "isa": ("neon",), "gpus": ("A",)}
    pairs = (("governor", "performance"),)
    changed = replace(machine, **{name: other.get(name, pairs if name in ("settings", "engines") else "new")})  # type: ignore[arg-type]
    assert changed.digest != machine.digest
    assert len(changed.differences(machine)) == 1
    assert replace(machine, memory=2, system="Linux 7").digest == machine.digest


@pytest.mark.parametrize(
    "damage",
    [
        None,
        [],
        {"_version": 2},
        {"extra": 1},
        {"cores": "many"},
        {"cores": 1e999},
        {"memory": 10**400},
        {"isa": 3},
        {"isa": "avx2"},
        {"gpus": [1]},
    ],
)
def test_wrong_json_is_refused(damage: object) -> None:
    entry = read_fingerprint().to_json()
    entry = {**entry, **damage} if isinstance(damage, dict) else damage  # type: ignore[assignment]
    with pytest.raises(pliant.PliantError):
        Fingerprint.from_json(entry)
