"""`pliant bench --sustained`: slices, first against last, the governor's steps, and what is left after Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pliant.cli.slices import Run, Slice
from pliant.cli.sustained import duration
from pliant.devices.measure import summarize

from .conftest import Terminal

Program = Callable[..., "subprocess.Popen[bytes]"]


def test_a_run_is_told_in_slices_and_first_against_last(pliant: Terminal, suite: Path) -> None:
    said = pliant("bench", suite, "--sustained", "2s", "--subnet", "s01-int8", "--threads", "1", "--json")
    assert said.code == 0, said.err
    report = json.loads(said.out)
    assert (report["subnet"], report["asked_s"], report["target_ms"], report["steps"]) == ("s01-int8", 2.0, None, [])
    assert report["took_s"] >= 2.0
    slices = report["slices"]
    assert 2 <= len(slices) <= 11
    assert sum(each["seconds"] for each in slices) == pytest.approx(report["took_s"])
    assert all(each["subnets"] == ["s01-int8"] and each["latency_ms"]["runs"] >= 1 for each in slices)
    first, last = slices[0]["latency_ms"]["p50"], slices[-1]["latency_ms"]["p50"]
    if report["last_to_first"]["p50"] is not None and slices[-1]["seconds"] > 0.1:
        assert report["last_to_first"]["p50"] == pytest.approx(last / first)


def test_people_get_a_table(pliant: Terminal, suite: Path) -> None:
    said = pliant("bench", suite, "--sustained", "1s", "--threads", "1")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].split()[:6] == ["from", "calls", "p50", "ms", "p95", "ms"]
    assert lines[2].startswith("0.0 s")
    assert lines[2].endswith("s03-fp32"), "without a name it is the widest"
    assert any(line.startswith("p50") and line.endswith(" times") for line in lines)


def test_a_governed_run_tells_its_target_and_steps(pliant: Terminal, suite: Path) -> None:
    said = pliant("bench", suite, "--sustained", "2s", "--latency", "10s", "--govern", "--threads", "1", "--json")
    assert said.code == 0, said.err
    report = json.loads(said.out)
    assert report["target_ms"] == 10_000.0
    assert report["steps"] == [], "nothing takes ten seconds here"
    planned = pliant("bench", suite, "--sustained", "1s", "--latency", "10s", "--govern", "--threads", "1")
    assert "target  10000 ms; no steps" in planned.out


@pytest.mark.parametrize("js", [(), ("--json",)], ids=["table", "json"])
def test_interrupted_it_tells_what_there_is(program: Program, suite: Path, js: tuple[str, ...]) -> None:
    running = program("bench", suite, "--sustained", "1h", "--threads", "1", *js)
    time.sleep(4.0)  # the program starts in a second or two
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.decode().startswith("interrupted"), err
    if b"after" in err:  # it was running by then
        assert b"of 60:00" in err
        if js:
            assert json.loads(out)["took_s"] < 60.0
        else:
            assert b"s03-fp32" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--latency", "5ms"), "go with --sustained"),
        (("--govern",), "go with --sustained"),
        (("--sustained", "1m", "--govern"), "needs a latency: say which, as in --latency 15ms"),
        (("--sustained", "1m", "--prefer", "depth=2"), "needs a latency: say which"),
        (("--sustained", "1m", "--subnet", "s01-fp32", "--subnet", "s01-int8"), "runs one subnet"),
        (("--sustained", "1m", "--subnet", "s01-fp32", "--latency", "5ms"), "runs one subnet"),
        (("--sustained", "30"), "has no unit: write, for example, 30m"),
        (("--sustained", "1d"), "use one of s, m, h"),
        (("--sustained", "0s"), "more than 0"),
        (("--sustained", "1000h"), "from 1s to 100h"),
    ],
)
def test_misuse_is_one_line_that_says_what_to_write(
    pliant: Terminal, suite: Path, arguments: tuple[str, ...], says: str
) -> None:
    said = pliant("bench", suite, *arguments)
    assert said.code == 2
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert says in said.err


def test_durations_have_units() -> None:
    assert [duration(text) for text in ("90s", "30m", "5 min", "1.5h")] == [90.0, 1800.0, 300.0, 5400.0]


def test_a_rest_at_the_end_is_not_what_the_first_is_held_against() -> None:
    def part(start: float, seconds: float) -> Slice:
        return Slice(start, seconds, summarize([1.0] * 9), ("s01-fp32",), None, None)

    whole = [part(0.0, 60.0), part(60.0, 60.0), part(120.0, 3.0)]
    assert Run(1800.0, 60.0, whole).ends == (whole[0], whole[1])
    assert Run(1800.0, 60.0, whole[:1]).ends is None
