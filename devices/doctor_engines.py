"""The doctor on engines: which are installed, whether they start, and the command for each that is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata, util

from .findings import EXTRACT, Finding
from .fingerprint import Fingerprint
from .fresh import code_command
from .jetpack import release_of, runs_on

# Providers beyond the processor's own that a graphics processor can give onnxruntime.
_GPU_PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
_OLDEST_ENGINE = (1, 23)


def installed(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def install_command(machine: Fingerprint, *, gpu: bool) -> str:
    """The command that installs an engine for the processor or the GPU, as this machine's JetPack needs it; or none."""
    if not _l4t(machine):
        return f"pip install onnxruntime{'-gpu' if gpu else ''}"
    release = release_of(_l4t(machine))
    if release is None:
        return "" if gpu else "pip install onnxruntime"
    return (release.gpu if gpu else release.cpu) or ""


def onnxruntime(machine: Fingerprint, probe: bool) -> Iterator[Finding]:
    """onnxruntime's version and, with `probe`, its providers."""
    cpu, gpu = installed("onnxruntime"), installed("onnxruntime-gpu")
    if cpu and gpu:
        yield Finding(
            "problem",
            f"onnxruntime {cpu} and onnxruntime-gpu {gpu} are both installed and overwrite each other's files",
            f"pip uninstall -y onnxruntime onnxruntime-gpu && {_any_install(machine)}",
        )
        return
    version = cpu or gpu
    if version is None:
        if util.find_spec("onnxruntime") is None:
            # On a Jetson the processor's wheel surely exists; the GPU's comes as a note once that runs.
            mend = install_command(machine, gpu=bool(machine.gpus) and not _l4t(machine))
            yield Finding("problem", "onnxruntime is not installed: no subnet can run", mend or EXTRACT)
            return
        version = "of an unknown version"
    elif _numbers(version) < _OLDEST_ENGINE:
        name = "onnxruntime-gpu" if gpu else "onnxruntime"
        yield Finding("problem", f"{name} {version} is too old, 1.23 is needed", f"pip install -U {name}")
        return
    yield Finding("ok", f"onnxruntime{'-gpu' if gpu else ''} {version}: runs fp32 and int8 subnets")
    mend = install_command(machine, gpu=True)
    if machine.gpus and not gpu and mend:
        what = "there is an NVIDIA GPU, but onnxruntime here uses the processor only"
        yield Finding("note", what, f"pip uninstall -y onnxruntime && {mend}")
    if probe:
        yield from _providers(bool(gpu))


def _l4t(machine: Fingerprint) -> str:
    return dict(machine.settings).get("l4t", "")


def _any_install(machine: Fingerprint) -> str:
    wanted = install_command(machine, gpu=bool(machine.gpus))
    return wanted or install_command(machine, gpu=False) or EXTRACT


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def _providers(gpu: bool) -> Iterator[Finding]:
    """Import the engine in another process: one that crashes must not take this one along."""
    code = "import json, onnxruntime; print(json.dumps(onnxruntime.get_available_providers()))"
    try:
        done = subprocess.run(code_command(code), capture_output=True, text=True, timeout=60, check=True)
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


def tensorrt(machine: Fingerprint) -> Iterator[Finding]:
    """TensorRT, or the command that makes it visible; nothing without an NVIDIA GPU."""
    names = ("tensorrt", "tensorrt-rtx", "tensorrt-rtx-cu13-libs")
    found = [f"{name} {version}" for name in names if (version := installed(name))]
    if found:
        yield Finding("ok", f"{', '.join(found)}: `pliant build` builds engines")
        if machine.gpus and not installed("cuda-bindings"):
            yield Finding("missing", "cuda-bindings, by which engines are run", "pip install 'cuda-bindings>=12.9,<13'")
    elif _l4t(machine) and runs_on(_l4t(machine)):
        yield Finding("missing", "TensorRT is not visible to this Python", _jetpack_tensorrt())
    elif machine.gpus and not _l4t(machine):
        yield Finding("missing", "TensorRT is not installed (optional)", "pip install tensorrt")


def _jetpack_tensorrt() -> str:
    """JetPack's own bindings are packages of its system, which a virtual environment hides unless asked not to."""
    install = "sudo apt-get install -y python3-libnvinfer"
    if sys.prefix == sys.base_prefix:
        return install
    return f"{install} && python3 -m venv --system-site-packages {sys.prefix}"
