"""A real Ray cluster on this machine, and a real worker killed."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from pliant import PliantError
from pliant.search.run import run_search

from .making import make_checkpoint, make_data

ray = pytest.importorskip("ray", reason="Ray is not installed")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")


def test_a_killed_worker_costs_only_its_own_evaluation(tmp_path: Path) -> None:
    checkpoint, data = make_checkpoint(tmp_path), make_data()
    here = run_search(checkpoint, data=data, out=tmp_path / "here.json")
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill_one, ended := threading.Event())
        try:
            there = run_search(checkpoint, data=data, out=tmp_path / "there.json", cluster="local")
        finally:
            ended.set()
    assert killed.result() is not None, "no worker was seen"
    assert there == here
    assert (tmp_path / "there.log.jsonl").read_text() == (tmp_path / "here.log.jsonl").read_text()
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere.invalid:6379", "here:there"])
def test_no_cluster_is_said_in_a_line(address: str, tmp_path: Path) -> None:
    with pytest.raises(PliantError, match=f"no Ray cluster answers at '{address}'") as raised:
        run_search(make_checkpoint(tmp_path), data=make_data(), cluster=address, out=tmp_path / "front.json")
    assert list(tmp_path.iterdir()) == []
    assert "\n" not in str(raised.value)


def kill_one(ended: threading.Event) -> int | None:
    """Kill the first process that is seen to run an evaluation, as the kernel does where memory ends."""
    while not ended.wait(0.005):
        for pid in workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return pid
    return None


def workers() -> list[int]:
    """Processes of this machine that run an evaluation."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::measured"):
            found.append(int(folder.name))
    return found
