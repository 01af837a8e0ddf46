"""Reading what Linux, Jetson boards and NVIDIA's driver tell of a machine; absent files read as nothing."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from . import apple, jetson
from .files import distinct, matching, read_text

# /proc/cpuinfo's names -> ours; only what changes how a network runs.
_X86 = {
    "avx2": "avx2",
    "fma": "fma",
    "avx512f": "avx512",
    "avx_vnni": "avx_vnni",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "avx512_fp16": "avx512_fp16",
    "amx_tile": "amx",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
}
_ARM = {
    "asimd": "neon",
    "asimddp": "dotprod",
    "asimdhp": "fp16",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
}
# Arm Ltd's part numbers (MIDR_EL1), for processors that name no model in /proc/cpuinfo.
_ARM_PARTS = {
    "0xd03": "Cortex-A53",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd0b": "Cortex-A76",
    "0xd41": "Cortex-A78",
    "0xd42": "Cortex-A78AE",
}


def processor(root: Path) -> tuple[str, tuple[str, ...]]:
    """Model name of the processor and its instruction sets, from /proc/cpuinfo or macOS."""
    if apple.is_macos() and root == Path("/"):
        return apple.processor()
    values: dict[str, list[str]] = {}
    for line in read_text(root / "proc/cpuinfo").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            values.setdefault(key.strip(), []).append(value.strip())
    flags = set(" ".join(values.get("flags", [])[:1] + values.get("Features", [])[:1]).split())
    names = _X86 if "flags" in values else _ARM
    isa = tuple(ours for theirs, ours in names.items() if theirs in flags)
    return _model(values), isa


def _model(values: dict[str, list[str]]) -> str:
    if values.get("model name"):
        return values["model name"][0]
    parts = sorted(set(values.get("CPU part", [])))
    return " + ".join(_ARM_PARTS.get(part, f"Arm part {part}") for part in parts)


def memory(root: Path) -> int:
    """Bytes of memory that the machine has, 0 where unknown."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", read_text(root / "proc/meminfo"), re.MULTILINE)
    if found:
        return int(found.group(1)) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def board(root: Path) -> str:
    """The board's name from the device tree (Raspberry Pi, Jetson), or an empty string."""
    return read_text(root / "proc/device-tree/model")


def settings(root: Path, cores: Collection[int] = ()) -> dict[str, str]:
    """Governor, clock limits, turbo, processor quota, power mode, Jetson release and module, where readable; of which
    classes the `cores` are that this process may use, where the machine has several."""
    cpu = root / "sys/devices/system/cpu"
    found = {
        "governor": distinct(cpu, "cpu[0-9]*/cpufreq/scaling_governor"),
        "cpu_min_khz": distinct(cpu, "cpu[0-9]*/cpufreq/scaling_min_freq"),
        "cpu_max_khz": distinct(cpu, "cpu[0-9]*/cpufreq/scaling_max_freq"),
        "no_turbo": read_text(cpu / "intel_pstate/no_turbo"),
        "boost": read_text(cpu / "cpufreq/boost"),
        "cpu_quota": _quota(root),
        "core_classes": _classes(cpu, cores),
        "power_mode": jetson.power_mode(root),
        "gpu_min_hz": distinct(root / "sys/class/devfreq", "*/min_freq", _is_gpu),
        "gpu_max_hz": distinct(root / "sys/class/devfreq", "*/max_freq", _is_gpu),
        "l4t": jetson.l4t(root),
        "module": jetson.module(root),
    }
    return {key: value for key, value in found.items() if value}


def _classes(cpu: Path, cores: Collection[int]) -> str:
    """As in "4 of 1024, 2 of 446": Arm's capacity of a core, or the highest clock that it can have (kHz)."""
    kinds = ("cpu_capacity", "cpufreq/cpuinfo_max_freq")
    told = {
        int(path.name[3:]): next((text for kind in kinds if (text := read_text(path / kind))), "")
        for path in matching(cpu, "cpu[0-9]*")
        if path.name[3:].isdigit()
    }
    found = {core: text for core, text in told.items() if text}  # a core that is offline says nothing
    if len(set(found.values())) < 2:
        return ""
    counts = Counter(found[core] for core in cores if core in found)
    return ", ".join(f"{count} of {kind}" for kind, count in sorted(counts.items(), reverse=True))


def _is_gpu(path: Path) -> bool:
    name = path.parent.name
    return name.endswith(("gpu", "ga10b", "gv11b", "gp10b", "gm20b")) or "gpu" in name


def _quota(root: Path) -> str:
    # cgroup v2, as containers limit processors: "200000 100000" means two of them.
    quota, _, period = read_text(root / "sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        return f"{int(quota) / int(period):g}"
    return ""


def gpus(root: Path) -> tuple[str, ...]:
    """One line per NVIDIA graphics processor: name, driver, memory, clock and power limits; empty without one."""
    if (root / "etc/nv_tegra_release").exists():
        return ("Tegra integrated GPU",)
    import shutil

    # A made-up root has no driver to ask.
    return _nvidia_smi(shutil.which("nvidia-smi") or "") if root == Path("/") else ()


def visible_gpus() -> dict[str, str]:
    """What CUDA is told of the GPUs that this process may see, and of their order, where it is told something."""
    names = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
    return {name.lower(): os.environ[name] or "none" for name in names if name in os.environ}


@lru_cache(maxsize=4)
def _nvidia_smi(tool: str) -> tuple[str, ...]:
    # Asked once a process: the tool takes up to seconds, and a camera loop may plan often.
    if not tool:
        return ()
    import subprocess

    query = "--query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit"
    try:
        done = subprocess.run(
            [tool, query, "--format=csv,noheader"], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
