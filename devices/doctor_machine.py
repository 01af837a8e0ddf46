"""The doctor on the machine itself: what it is, which target that makes, JetPack, power, clocks and sensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import jetson
from .energy import refusal
from .findings import EXTRACT, Finding
from .fingerprint import Fingerprint
from .jetpack import jetpack_of, release_of, runs_on
from .sensors import find_sensors, unreadable_rapl
from .target import Target
from .targets import match_card, match_target


def machine(found: Fingerprint) -> Iterator[Finding]:
    """Name, cores, instruction sets, memory, graphics, and the descriptors that fit."""
    isa = ", ".join(found.isa) or "no instruction sets that pliant knows of"
    name = found.board or found.cpu or found.machine
    yield Finding("ok", f"{name}: {found.cores} cores ({isa}), {found.memory / 2**30:.1f} GiB memory")
    for gpu in found.gpus:
        yield Finding("ok", f"graphics: {gpu}")
    target = match_target(found)
    if target is None:
        yield Finding("note", f"no target descriptor for this machine ({found.machine}): int8 may not gain here")
    else:
        yield from _target(target)
    card = match_card(found)
    if card is not None:
        yield from _target(card)


def _target(target: Target) -> Iterator[Finding]:
    facts = [f"{' and '.join(target.engines)} with {', '.join(target.precisions)}"]
    if target.extract_only:
        facts = [f"plain ONNX only, for its own {' and '.join(target.engines)} with {', '.join(target.precisions)}"]
    if target.channel_multiple:
        facts.append(f"channels in multiples of {target.channel_multiple}")
    if not target.tried:
        facts.append("not tried by us on such a machine")
    yield Finding("ok", f"target {target.name}: {target.title}; {'; '.join(facts)}")
    if target.int8 is not None and target.int8.reduce_range:
        what = "no VNNI: int8 sums that would saturate are computed exactly, a third slower: compare its speed here"
        yield Finding("note", what, "pliant bench MODEL.pliant")


def jetpack(found: Fingerprint) -> Iterator[Finding]:
    """JetPack's version and what pliant can do there; nothing on other machines."""
    l4t = dict(found.settings).get("l4t", "")
    if not l4t:
        return
    name = f"JetPack {jetpack_of(l4t) or 'of an unknown version'} (L4T {l4t})"
    if not runs_on(l4t):
        yield Finding("note", f"{name} is older than JetPack 6: only plain ONNX is supported here", EXTRACT)
        return
    release = release_of(l4t)
    if release is None:
        yield Finding("note", f"{name} is not a release that pliant knows; docs/jetson.md lists those")
        return
    versions = [f"Python {release.python}"]
    versions += [f"CUDA {release.cuda}"] if release.cuda else []
    versions += [f"TensorRT {release.tensorrt}"] if release.tensorrt else []
    yield Finding("ok", f"{name}, with {', '.join(versions)} of its own")


def clocks(found: Fingerprint, root: Path) -> Iterator[Finding]:
    """The governor, a limit on processors, and a Jetson's power mode."""
    has = dict(found.settings)
    governor, quota = has.get("governor", ""), has.get("cpu_quota", "")
    if governor and governor != "performance":
        what = f"the processor's governor is {governor}: latency varies with its clock"
        yield Finding("note", what, _steady(found))
    if quota:
        yield Finding("note", f"this process may use {quota} processors only (cgroup): measurements hold for that")
    if found.power_mode:
        yield _power_mode(found.power_mode, jetson.power_modes(root))


def _steady(found: Fingerprint) -> str:
    if dict(found.settings).get("l4t"):
        return "sudo jetson_clocks"
    if "Raspberry Pi" in found.board:  # its system has no cpupower
        return "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return "sudo cpupower frequency-set -g performance"


def _power_mode(mode: str, modes: dict[int, str]) -> Finding:
    # The fastest mode is not number 0 on every board: on an Orin Nano that is 15 W.
    fastest = jetson.fastest_mode(modes)
    if mode.startswith("MAXN") or (fastest is not None and modes[fastest] == mode):
        return Finding("ok", f"power mode {mode}, the fastest")
    if fastest is None:
        return Finding("note", f"power mode {mode}; faster ones may exist", "sudo nvpmodel -p --verbose")
    mend = f"sudo nvpmodel -m {fastest} && sudo jetson_clocks"
    return Finding("note", f"power mode {mode}; {modes[fastest]} is faster, and takes more power", mend)


def energy(root: Path) -> Iterator[Finding]:
    """The sensors that tell power or energy, or why there is none."""
    sensors = find_sensors(root)
    for sensor in sensors:
        yield Finding("ok", f"energy sensor {sensor.name}: {sensor.covers}")
    if unreadable_rapl(root):
        mend = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
        yield Finding("note", "there is an energy counter (RAPL) that only root may read", mend)
    elif not sensors:
        yield Finding("note", refusal(root=root))
