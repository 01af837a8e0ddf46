"""`pliant[cpu]` alone, in an environment of its own, opens, plans, runs, benches and verifies the sample suite.

Twice: with the versions of constraints.txt, and with Python 3.10 and the versions that JetPack 6 can have.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest

from .conftest import Environment

TASKS = ("segmentation", "depth", "normals", "edges")
NEWEST, JETPACK6 = "constraints.txt", "constraints-jetpack6.txt"


def _python310() -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (shutil.which("python3.10"), *sorted(pyenv.glob("3.10*/bin/python3.10"))):
        probe = [str(found), "-c", "import sys, ensurepip; print(sys.version_info[:2])"]
        if found and subprocess.run(probe, capture_output=True, check=False).stdout == b"(3, 10)\n":
            return str(found)
    return None


@pytest.fixture(scope="module")
def begun(environment: Callable[[str, str], Future[Environment]]) -> dict[str, Future[Environment]]:
    """Both at once: pip also waits, for its registry and the disk, and the first is tried while the second is made."""
    pythons = {NEWEST: sys.executable, JETPACK6: _python310()}
    return {constraints: environment(python, constraints) for constraints, python in pythons.items() if python}


@pytest.fixture(scope="module", params=[NEWEST, JETPACK6])
def bare(request: pytest.FixtureRequest, begun: dict[str, Future[Environment]]) -> Environment:
    if request.param not in begun:
        pytest.skip("no Python 3.10 on this machine to try the versions of JetPack 6 with")
    return begun[request.param].result()


@pytest.fixture(scope="module")
def sample(bare: Environment) -> Path:
    where = bare.run("python", "-c", "import pliant.runtime as r, pathlib; print(pathlib.Path(r.__file__).parent)")
    return Path(where.stdout.strip()) / "sample" / "sample.pliant"


def test_it_holds_no_building_half(bare: Environment) -> None:
    code = "import importlib.util as u; print([n for n in ('torch', 'onnx', 'nncf', 'yaml') if u.find_spec(n)])"
    assert bare.run("python", "-c", code).stdout == "[]\n"
    assert bare.run("python", "-W", "error", "-c", "import pliant, pliant.runtime, pliant.cli").returncode == 0


def test_a_verb_of_the_building_half_names_the_extra(bare: Environment, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("{}\n")
    for verb in (("train", recipe, "--out", tmp_path / "out"), ("demo", "--out", tmp_path / "demo")):
        done = bare.run("pliant", *verb)
        assert done.returncode == 1
        assert "pip install '.[build]'" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_inspect_and_verify(bare: Environment, sample: Path) -> None:
    shown = bare.run("pliant", "inspect", sample, "--json")
    assert shown.returncode == 0, shown.stderr
    report = json.loads(shown.stdout)
    assert set(report["tasks"]) == set(TASKS)
    assert len(report["subnets"]) >= 3
    verified = bare.run("pliant", "verify", sample)
    assert verified.returncode == 0, verified.stderr


def test_plan_measures_here_and_keeps_it(bare: Environment, sample: Path) -> None:
    first = bare.run("pliant", "plan", sample, "--latency", "10s", "--json")
    assert first.returncode == 0, first.stderr
    again = bare.run("pliant", "plan", sample, "--latency", "10s", "--measure", "never", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["latency_ms"]["kind"] == "measured"


def test_bench(bare: Environment, sample: Path) -> None:
    some = ("s01-fp32", "s01-int8")
    done = bare.run("pliant", "bench", sample, "--json", *(word for each in some for word in ("--subnet", each)))
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["subnets"]
    assert [row["id"] for row in rows] == list(some)
    assert all(row["latency_ms"]["p50"] > 0 for row in rows)


def test_run_without_a_model_writes_pictures(bare: Environment, sample: Path, tmp_path: Path) -> None:
    done = bare.run("pliant", "run", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert {task for task in TASKS if list(tmp_path.glob(f"*{task}*.png"))} == set(TASKS)


def test_the_library_runs_without_the_terminal(bare: Environment, sample: Path) -> None:
    code = (
        "import sys, numpy, pliant\n"
        f"suite = pliant.open_suite({str(sample)!r})\n"
        "shape = (suite.input.height, suite.input.width, 3)\n"
        "with suite.load(suite.subnets[0].id) as model:\n"
        "    outputs = model(numpy.zeros(shape, numpy.uint8))\n"
        "print(sorted(outputs), 'typer' in sys.modules)\n"
    )
    done = bare.run("python", "-W", "error", "-c", code)
    assert done.stdout.strip() == f"{sorted(TASKS)} False", done.stderr
