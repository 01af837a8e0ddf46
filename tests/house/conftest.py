"""The wheel as users get it, and environments that hold nothing but that wheel and one engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

OUT_OF_REACH = ("from versions: none", "NewConnectionError", "ConnectionError", "Read timed out", "ProxyError")
NOT_SOURCE = (".venv", ".git", "out", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")


@dataclass(frozen=True)
class Environment:
    """A virtual environment; `run` starts one of its programs in a folder outside the checkout."""

    folder: Path

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        left_out = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        inherited = {k: v for k, v in os.environ.items() if k not in left_out}
        environ = {**inherited, "PLIANT_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        command = [str(self.folder / "bin" / program), *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, timeout=280, check=False
        )


@pytest.fixture(scope="session")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from a copy of the checkout, so that the build leaves nothing behind in it."""
    source = tmp_path_factory.mktemp("source") / "a checkout"
    shutil.copytree(checkout, source, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def environment(
    wheel: Path, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, str], Future[Environment]]]:
    """`environment(python, constraints)` begins to make one of pliant[cpu] alone, beside those begun before."""
    with ThreadPoolExecutor() as pool:

        def begin(python: str, constraints: str) -> Future[Environment]:
            folder = tmp_path_factory.mktemp("environment")
            return pool.submit(_install, python, folder, wheel, checkout / constraints)

        yield begin


def _install(python: str, folder: Path, wheel: Path, constraints: Path) -> Environment:
    """By the pip of this environment, run by the other's Python: the other needs none of its own. Of what is installed
    only what is imported is compiled."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120, capture_output=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    install = [*pip, "install", "-q", "--no-compile", "-c", str(constraints), f"{wheel}[cpu]"]
    done = subprocess.run(install, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode and any(sign in done.stderr for sign in OUT_OF_REACH):
        pytest.skip(f"pip does not reach its registry: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return Environment(folder)
