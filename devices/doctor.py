"""What this machine can run and what is missing, each with the command that mends it. Imports no engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from .cache import cache_folder, problem_of
from .fingerprint import Fingerprint, read_fingerprint
from .targets import match_target

Level = Literal["ok", "note", "missing", "problem"]

# Providers beyond the processor's own that a graphics processor can give onnxruntime.
_GPU_PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
# What the building half imports; the extra installs more than that.
_BUILD = ("torch", "onnx", "onnx_ir", "onnxscript", "pymoo", "moocore", "pydantic", "yaml", "matplotlib")
_OLDEST_ENGINE = (1, 23)


@dataclass(frozen=True)
class Finding:
    """One thing about this machine. `mend` is the command that mends it, empty when nothing is wrong.

    Levels: `ok` works; `note` works, and could be better; `missing` is not installed; `problem` will go wrong.
    """

    level: Level
    what: str
    mend: str = ""


def examine(fingerprint: Fingerprint | None = None, *, probe: bool = True) -> list[Finding]:
    """All findings. `probe` asks onnxruntime for its providers in a process of its own (about a second)."""
    machine = fingerprint or read_fingerprint()
    return [
        *_python(),
        *_machine(machine),
        *_onnxruntime(machine, probe),
        *_tensorrt(machine),
        *_build(),
        *_cache(cache_folder()),
        *_clocks(machine),
        *_energy(Path("/sys/class/powercap")),
    ]


def healthy(findings: list[Finding]) -> bool:
    """Whether suites can run here: an engine is installed and nothing is a problem."""
    return not any(finding.level == "problem" for finding in findings)


def _python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("ok", f"Python {version}")
    if sys.version_info < (3, 11):
        yield Finding("note", "suites run here; training, search and export need Python 3.11", "install Python 3.11")


def _machine(machine: Fingerprint) -> Iterator[Finding]:
    isa = ", ".join(machine.isa) or "no instruction sets that pliant knows of"
    gigabytes = machine.memory / 2**30
    name = machine.board or machine.cpu or machine.machine
    yield Finding("ok", f"{name}: {machine.cores} cores ({isa}), {gigabytes:.1f} GiB memory")
    for gpu in machine.gpus:
        yield Finding("ok", f"graphics: {gpu}")
    target = match_target(machine)
    if target is None:
        yield Finding("note", f"no target descriptor for this machine ({machine.machine}): int8 may not gain here")
    elif target.int8.reduce_range:
        yield Finding(
            "note", "no VNNI: int8 products may saturate; compare int8 quality here", "pliant verify MODEL.pliant"
        )
    else:
        yield Finding("ok", f"target {target.name}: {target.title}")


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _onnxruntime(machine: Fingerprint, probe: bool) -> Iterator[Finding]:
    cpu, gpu = installed("onnxruntime"), installed("onnxruntime-gpu")
    if cpu and gpu:
        extra = "gpu" if machine.gpus else "cpu"
        yield Finding(
            "problem",
            f"onnxruntime {cpu} and onnxruntime-gpu {gpu} are both installed and overwrite each other's files",
            f"pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'pliant[{extra}]'",
        )
        return
    version = cpu or gpu
    if version is None:
        if util.find_spec("onnxruntime") is None:
            extra = "gpu" if machine.gpus else "cpu"
            yield Finding(
                "problem", "onnxruntime is not installed: no subnet can run", f"pip install 'pliant[{extra}]'"
            )
            return
        version = "of an unknown version"
    elif _numbers(version) < _OLDEST_ENGINE:
        yield Finding("problem", f"onnxruntime {version} is too old, 1.23 is needed", "pip install -U onnxruntime")
        return
    yield Finding("ok", f"onnxruntime{'-gpu' if gpu else ''} {version}")
    if machine.gpus and not gpu:
        mend = "pip uninstall -y onnxruntime && pip install 'pliant[gpu]'"
        yield Finding("note", "there is an NVIDIA GPU, but onnxruntime here uses the processor only", mend)
    if probe:
        yield from _providers(bool(gpu))


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _providers(gpu: bool) -> Iterator[Finding]:
    """Import the engine in another process: one that crashes must not take this one along."""
    code = "import json, onnxruntime; print(json.dumps(onnxruntime.get_available_providers()))"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        providers = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        yield Finding("problem", f"onnxruntime cannot be imported: {last}", "pip install --force-reinstall onnxruntime")
        return
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        yield Finding("problem", f"onnxruntime could not be tried: {error}", "python -c 'import onnxruntime'")
        return
    yield Finding("ok", f"execution providers: {', '.join(providers)}")
    if gpu and not set(providers) & set(_GPU_PROVIDERS):
        mend = "install the CUDA and cuDNN versions that this onnxruntime-gpu asks for"
        yield Finding("problem", "onnxruntime-gpu is installed but offers no GPU provider", mend)


def _tensorrt(machine: Fingerprint) -> Iterator[Finding]:
    names = ("tensorrt", "tensorrt-rtx", "tensorrt-rtx-cu13-libs")
    found = [f"{name} {version}" for name in names if (version := installed(name))]
    if found:
        yield Finding("ok", f"{', '.join(found)} (pliant builds no engines yet)")
    elif machine.gpus and dict(machine.settings).get("l4t"):
        yield Finding("missing", "TensorRT is not visible to this Python", "sudo apt-get install python3-libnvinfer")
    elif machine.gpus:
        yield Finding("missing", "TensorRT is not installed (optional)", "pip install tensorrt")


def _build() -> Iterator[Finding]:
    absent = [name for name in _BUILD if util.find_spec(name) is None]
    if absent:
        what = f"the building half (train, search, export) lacks {', '.join(absent)}; running suites does not need it"
        yield Finding("missing", what, "pip install 'pliant[build]'")
    else:
        yield Finding("ok", f"the building half is installed (torch {installed('torch')}, onnx {installed('onnx')})")


def _cache(folder: Path) -> Iterator[Finding]:
    problem = problem_of(folder)
    if problem:
        yield Finding(
            "note",
            f"measurements cannot be kept in {folder} ({problem}): every process measures anew",
            "export PLIANT_CACHE=/a/folder/that/can/be/written",
        )
    else:
        yield Finding("ok", f"measurements are kept in {folder}")


def _clocks(machine: Fingerprint) -> Iterator[Finding]:
    settings = dict(machine.settings)
    governor = settings.get("governor", "")
    if governor and governor != "performance":
        mend = "sudo cpupower frequency-set -g performance"
        yield Finding("note", f"the processor's governor is {governor}: latency varies with its clock", mend)
    if machine.power_mode:
        level: Level = "ok" if machine.power_mode.startswith("MAXN") else "note"
        mend = "" if level == "ok" else "sudo nvpmodel -m 0 && sudo jetson_clocks"
        yield Finding(level, f"power mode {machine.power_mode}", mend)


def _energy(powercap: Path) -> Iterator[Finding]:
    if any(powercap.glob("*/energy_uj")):
        yield Finding("note", "there is an energy counter, which pliant does not read yet: no energy budgets")
    else:
        yield Finding("note", "no energy sensor that pliant can read: no energy budgets on this machine")
