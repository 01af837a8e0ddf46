"""What this machine can run and what is missing, each with the command that mends it. Imports no engine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path

from . import doctor_engines, doctor_machine
from .cache import cache_folder, problem_of
from .doctor_engines import installed
from .findings import Finding
from .fingerprint import Fingerprint, read_fingerprint

__all__ = ["Finding", "examine", "healthy"]

# What the building half imports; the extra installs more than that.
_BUILD = ("torch", "onnx", "onnx_ir", "onnxscript", "pymoo", "moocore", "pydantic", "yaml", "matplotlib")


def examine(fingerprint: Fingerprint | None = None, *, probe: bool = True, root: Path = Path("/")) -> list[Finding]:
    """All findings, in the order of a report: what this is, what runs, what is missing, how steady it is.

    `probe` asks onnxruntime for its providers in a process of its own (about a second); `root` is where /sys, /proc
    and /etc are looked for.
    """
    machine = fingerprint or read_fingerprint(root)
    return [
        *_python(),
        *doctor_machine.machine(machine),
        *doctor_machine.jetpack(machine),
        *doctor_engines.onnxruntime(machine, probe),
        *doctor_engines.tensorrt(machine),
        *_build(),
        *_cache(cache_folder()),
        *doctor_machine.clocks(machine, root),
        *doctor_machine.energy(root),
    ]


def healthy(findings: list[Finding]) -> bool:
    """Whether suites can run here: an engine is installed and nothing is a problem."""
    return not any(finding.level == "problem" for finding in findings)


def _python() -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Finding("ok", f"Python {version}")
    if sys.version_info < (3, 11):
        yield Finding("note", "suites run here; training, search and export need Python 3.11", "install Python 3.11")


def _build() -> Iterator[Finding]:
    absent = [name for name in _BUILD if util.find_spec(name) is None]
    if absent:
        what = f"the building half (train, search, export) lacks {', '.join(absent)}; running suites does not need it"
        yield Finding("missing", what, "in a checkout of pliant: pip install '.[build]'")
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
