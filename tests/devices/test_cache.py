"""The cache of measurements: real processes killed, real files damaged, two writers at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import pliant
from pliant.devices.cache import MeasurementCache, cache_folder, problem_of
from pliant.devices.fingerprint import Fingerprint
from pliant.devices.measure import summarize
from pliant.devices.profile import DeviceProfile, Key, MemoryUse, read_profile
from pliant.devices.writing import write_atomically

MACHINE = Fingerprint("cpu", "x86_64", 2, ("avx2",), 1, "Linux 6", engines=(("onnxruntime", "1.32.0"),))

WRITER = """
import sys
from pliant.devices.cache import MeasurementCache
from pliant.devices.fingerprint import Fingerprint
from pliant.devices.measure import summarize
machine = Fingerprint("cpu", "x86_64", 2, ("avx2",), 1, "Linux 6", engines=(("onnxruntime", "1.32.0"),))
cache = MeasurementCache(sys.argv[1])
print("ready", flush=True)
for index in range(int(sys.argv[3])):
    cache.add(machine, latency={f"{sys.argv[2]}-{index}": summarize([1.0 + index] * 20)})
"""


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> int:
    process.communicate(timeout=60)
    return process.returncode


def test_what_is_added_is_found_by_another_object(tmp_path: Path) -> None:
    measured = summarize([1.0] * 20)
    use = MemoryUse(5, 4, 3, 1.0)
    key = Key("ab" * 32, (1, 8, 8, 3), "cpu", 0, ("depth", "an")).text
    MeasurementCache(tmp_path).add(MACHINE, latency={key: measured}, memory={key: use}, conditions={"by": "test"})
    cache = MeasurementCache(tmp_path)
    found = cache.profile(MACHINE)
    assert found.latency == {key: measured}
    assert found.memory == {key: use}
    assert found.conditions == {"by": "test"}
    assert key.endswith("/1x8x8x3/cpu/0/an,depth")
    assert cache.note == ""


def test_another_state_of_the_machine_shares_nothing(tmp_path: Path) -> None:
    cache = MeasurementCache(tmp_path)
    cache.add(MACHINE, latency={"a": summarize([1.0] * 20)})
    newer = replace(MACHINE, engines=(("onnxruntime", "1.33.0"),))
    assert cache.profile(newer).latency == {}
    assert [profile.fingerprint for profile in cache.others(newer)] == [MACHINE]
    assert cache.profile(MACHINE).stale(newer)
    assert set(cache.profile(MACHINE).latency) == {"a"}, "the old state's numbers are kept for when it returns"


def test_two_processes_writing_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = [writer(tmp_path, name, 40) for name in ("one", "two")]
    assert [finish(process) for process in processes] == [0, 0]
    found = MeasurementCache(tmp_path).profile(MACHINE).latency
    assert set(found) == {f"{name}-{index}" for name in ("one", "two") for index in range(40)}


def test_a_writer_killed_at_any_moment_leaves_a_readable_file(tmp_path: Path) -> None:
    cache = MeasurementCache(tmp_path)
    cache.add(MACHINE, latency={"kept": summarize([1.0] * 20)})
    for attempt in range(8):
        process = writer(tmp_path, f"w{attempt}", 100_000)
        time.sleep(0.02 + 0.013 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        assert finish(process) == -signal.SIGKILL
        found = read_profile(cache.path(MACHINE))
        assert "kept" in found.latency
    cache.add(MACHINE, latency={"after": summarize([1.0] * 20)})
    assert {"kept", "after"} <= set(cache.profile(MACHINE).latency)
    assert cache.note == ""


def test_a_writer_killed_in_the_middle_of_the_file_leaves_the_old_one(tmp_path: Path) -> None:
    """The kernel kills it at the 300th byte; what it left is swept away by the next writer."""
    pytest.importorskip("resource")
    cache = MeasurementCache(tmp_path)
    cache.add(MACHINE, latency={"kept": summarize([1.0] * 20)})
    before = cache.path(MACHINE).read_bytes()
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)"
    code = WRITER.replace("cache = ", f"{limit}; resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\ncache = ")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), "w", "1"], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGXFSZ, done.stderr
    assert cache.path(MACHINE).read_bytes() == before
    parts = list(tmp_path.rglob("*.part"))
    assert [part.stat().st_size for part in parts] == [300]
    cache.add(MACHINE, latency={"after": summarize([1.0] * 20)})
    assert list(tmp_path.rglob("*.part")) == []
    assert {"kept", "after"} == set(cache.profile(MACHINE).latency)


@pytest.mark.parametrize("cut", [0, 1, 200])
def test_a_damaged_file_is_set_aside_and_said(tmp_path: Path, cut: int) -> None:
    cache = MeasurementCache(tmp_path)
    cache.add(MACHINE, latency={"a": summarize([1.0] * 20)})
    path = cache.path(MACHINE)
    path.write_bytes(path.read_bytes()[:cut])
    assert cache.profile(MACHINE).latency == {}
    assert "taken anew" in cache.note
    assert path.with_suffix(".damaged").exists()
    assert set(cache.add(MACHINE, latency={"b": summarize([1.0] * 20)}).latency) == {"b"}


def test_a_file_of_another_machine_under_our_name_is_not_believed(tmp_path: Path) -> None:
    cache = MeasurementCache(tmp_path)
    other = replace(MACHINE, cores=64)
    cache.add(other, latency={"a": summarize([1.0] * 20)})
    os.replace(cache.path(other), cache.path(MACHINE))
    assert cache.profile(MACHINE).latency == {}
    assert "another state" in cache.note


def test_a_folder_that_cannot_be_made_works_in_memory_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = MeasurementCache(tmp_path / "file" / "cache")
    cache.add(MACHINE, latency={"a": summarize([1.0] * 20)})
    assert set(cache.add(MACHINE, latency={"b": summarize([1.0] * 20)}).latency) == {"a", "b"}
    assert set(cache.profile(MACHINE).latency) == {"a", "b"}
    assert "PLIANT_CACHE" in cache.note


def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    """It may be somebody else's. (A folder in its place cannot be read by root either.)"""
    cache = MeasurementCache(tmp_path)
    path = cache.path(MACHINE)
    path.mkdir(parents=True)
    assert cache.profile(MACHINE).latency == {}
    assert "not kept" in cache.note
    assert set(cache.add(MACHINE, latency={"a": summarize([1.0] * 20)}).latency) == {"a"}
    assert [one.name for one in path.parent.iterdir() if one.suffix != ".lock"] == [path.name]


def test_a_folder_that_cannot_be_looked_into_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    cache = MeasurementCache(folder)
    assert cache.profile(MACHINE).latency == {}
    assert "not kept" in cache.note
    assert list(cache.others(MACHINE)) == []
    assert set(cache.add(MACHINE, latency={"a": summarize([1.0] * 20)}).latency) == {"a"}
    assert "too long" in problem_of(folder / "deeper")
    assert problem_of(tmp_path / "not" / "there" / "yet") == ""


def test_the_home_of_nobody_keeps_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLIANT_CACHE", "~nosuchuser/x")
    cache = MeasurementCache()
    assert cache.profile(MACHINE).latency == {}
    assert set(cache.add(MACHINE, latency={"a": summarize([1.0] * 20)}).latency) == {"a"}
    assert "there is no home folder ~nosuchuser" in cache.note
    assert "no home folder" in problem_of(cache_folder())
    assert list(tmp_path.iterdir()) == []


def test_where_the_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIANT_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.delenv("PLIANT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "pliant"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "pliant"


def test_a_glance_does_not_push_out_a_thorough_measurement() -> None:
    thorough, glance, later = summarize([1.0] * 60), summarize([2.0] * 6), summarize([3.0] * 40)
    profile = DeviceProfile(MACHINE, latency={"a": thorough})
    assert profile.merged(DeviceProfile(MACHINE, latency={"a": glance})).latency["a"] == thorough
    assert profile.merged(DeviceProfile(MACHINE, latency={"a": later})).latency["a"] == later


def test_files_have_the_permissions_that_the_user_gives(tmp_path: Path) -> None:
    for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
        before = os.umask(mask)
        try:
            write_atomically(tmp_path / "file", "text")
        finally:
            os.umask(before)
        assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_failed_write_leaves_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "folder", "new")
    (tmp_path / "folder").rmdir()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "change",
    [
        {"_version": 9},
        {"extra": 1},
        {"latency": []},
        {"latency": {"a": {}}},
        {"memory": {"a": 1}},
        {"memory": {"a": {"peak": 1e999, "resident": 1, "engine": 1, "taken": 1.0}}},
    ],
)
def test_profiles_refuse_what_they_do_not_know(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps({**DeviceProfile(MACHINE).to_json(), **change}))
    with pytest.raises(pliant.PliantError):
        read_profile(path)
