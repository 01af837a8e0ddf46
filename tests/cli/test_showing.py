"""What tables of measurements say below them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pliant.cli.showing import print_rows
from pliant.devices.measure import summarize


def _measured(
    name: str, macs: int, p25: float, *, spread: float = 0.0, quickest: float | None = None
) -> dict[str, Any]:
    times = dict.fromkeys(("p10", "p25", "p50", "p90", "p95", "p99"), p25)
    known = {"min": p25 if quickest is None else quickest, "runs": 30, "quantile": 0.5, "spread": spread}
    return {"id": name, "precision": "fp32", "macs": macs, "latency_ms": times | known}


@pytest.mark.parametrize(("spread", "said"), [(0.0, True), (0.05, True), (0.3, False)])
def test_a_thinner_subnet_is_called_slower_beyond_what_measuring_leaves_open(
    spread: float, said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    print_rows([_measured("s01", 10**8, 13.0, spread=spread), _measured("s02", 2 * 10**8, 10.0, spread=spread)])
    assert ("s01 has fewer multiply-adds than s02 and is slower here" in capsys.readouterr().out) == said


def test_what_was_measured_on_a_busy_machine_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([_measured("s01", 10**8, 9.0, quickest=1.0), _measured("s02", 2 * 10**8, 10.0)])
    assert "1 of 2 subnets were measured while something else ran" in capsys.readouterr().out


def test_a_dash_for_a_number_says_how_many_runs_tell_it(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(runs: int) -> str:
        print_rows([_measured("s01", 10**8, 1.0) | {"latency_ms": summarize([1.0] * runs).to_json()}])
        return capsys.readouterr().out

    told = re.search(r"^-: too few runs to tell; --runs (\d+) tells every column$", shown(6), re.MULTILINE)
    assert told
    assert " - " in shown(int(told[1]) - 1)
    assert " - " not in shown(int(told[1]))
    assert "too few runs" not in shown(int(told[1]))
