"""Results of jobs, a file each, and all of them as one dated file.

A job's file stands under a digest of its recipes: where a recipe has changed, the job is measured anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch

from pliant.devices.writing import write_atomically

from ..dated import hardware_name
from .job import Entry, Job
from .methods import DEFAULT, METHODS

VERSION = 1
K = TypeVar("K")
V = TypeVar("V")


def load(folder: Path, job: Job) -> Entry | None:
    """The job's result, or None where it is not measured as its recipe now is."""
    path = folder / f"{job.name}.json"
    if not path.exists():
        return None
    try:
        entry: Entry = json.loads(path.read_text())
    except ValueError:
        print(f"{path} is damaged, so its job is not measured", file=sys.stderr)
        return None
    return entry if entry["recipe"] == job.digest and entry["_version"] == VERSION else None


def current(folder: Path, data: Iterable[str]) -> dict[Job, Entry]:
    """Every result of these data sets that lies in `folder` and is measured as its recipe now is, whatever its seed."""
    jobs = (Job(each, method, seed) for each in data for method in METHODS for seed in _seeds(folder, each, method))
    return {job: entry for job in jobs if (entry := load(folder, job))}


def _seeds(folder: Path, data: str, method: str) -> list[int]:
    ends = (path.stem.removeprefix(f"{data}-{method}-") for path in folder.glob(f"{data}-{method}-*.json"))
    return sorted(int(end) for end in ends if end.isdecimal())


def command_of(results: Iterable[Job], module: str, split: str) -> str:
    """What measures these jobs, and no others, anywhere: as many commands as that takes, joined by `&&`."""
    seeds = _grouped(((job.data, job.method), job.seed) for job in results)
    methods = _grouped(((data, tuple(sorted(found))), method) for (data, method), found in seeds.items())
    data_of = _grouped(((tuple(names), found), data) for (data, found), names in methods.items())
    parts = (
        {"data": data, "methods": names, "seeds": found, "split": [split]} for (names, found), data in data_of.items()
    )
    return " && ".join(
        f"python -m {module} " + " ".join(f"--{key} {' '.join(map(str, given))}" for key, given in part.items())
        for part in parts
    )


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    found: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def save(folder: Path, job: Job, result: Entry, code: str = "") -> Path:
    """Write the job's result, whole or not at all; `code` is the commit by which it was made."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{job.name}.json"
    entry = {
        "_version": VERSION,
        "recipe": job.digest,
        "hardware": hardware_name(gpu=torch.cuda.is_available()),
        "date": time.strftime("%Y-%m-%d"),
        "torch": torch.__version__,
        "code": code,
        **result,
    }
    write_atomically(path, json.dumps(entry, indent=1) + "\n")
    return path


def running_code() -> str:
    """The commit of this checkout, with `-dirty` where a program differs from it; empty outside of one."""
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit}-dirty" if commit and _git("status", "--porcelain", "--", ":/*.py", ":/*.yaml") else commit


def _git(*command: str) -> str:
    try:
        done = subprocess.run(["git", *command], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def merged(results: dict[Job, Entry], command: str) -> Entry:
    """All results as one file: `rows` of every job, and what each job cost."""
    return {
        "_version": VERSION,
        "command": command,
        "hardware": " and ".join(sorted({entry["hardware"] for entry in results.values()})),
        "date": max(entry["date"] for entry in results.values()),
        "seeds": sorted({job.seed for job in results}),
        "default": DEFAULT,
        "rows": [row for entry in results.values() for row in entry["rows"]],
        "jobs": [
            {"data": job.data, "method": job.method, "seed": job.seed, **_cost(entry)} for job, entry in results.items()
        ],
    }


def _cost(entry: Entry) -> dict[str, Any]:
    names = ("date", "hardware", "torch", "code", "seconds", "macs", "parameter_bytes", "curves")
    return {name: entry[name] for name in names if name in entry}  # results of before there were all have fewer
