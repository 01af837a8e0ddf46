"""The server as a process: budgets side by side, wrong requests, and an orderly end."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pliant

SERVER = Path(__file__).parents[2] / "examples" / "server.py"
SAMPLE = files("pliant.runtime") / "sample"
PHOTO = (SAMPLE / "sample.jpg").read_bytes()
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Ask, subprocess.Popen[str]]]:
    command = [sys.executable, str(SERVER), "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    log: list[str] = []
    for line in running.stderr:
        log.append(line)
        found = re.search(r"running on (http://[\d.:]+)", line)
        if found:
            break
    else:
        pytest.fail(f"the server did not start: {''.join(log)}")
    address = found[1]

    def ask(path: str, body: bytes | None = None) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(urllib.request.Request(address + path, body), timeout=120) as answer:
                data = answer.read()
                return answer.status, data if answer.headers["content-type"] == "image/png" else json.loads(data)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    try:
        yield ask, running
    finally:
        running.kill()
        running.communicate()


def expected(subnet: str) -> float:
    """The mean depth that this subnet answers here."""
    with pliant.open_suite(str(SAMPLE / "sample.pliant")) as suite, suite.load(subnet, threads=1) as model:
        size = (suite.input.width, suite.input.height)
        image = Image.open(io.BytesIO(PHOTO)).convert("RGB").resize(size)
        return float(np.mean(model(image)["depth"]))


def test_requests_side_by_side_are_each_served_by_their_own_budget(server: tuple[Ask, Any]) -> None:
    ask, _ = server
    budgets = ["macs=6M", "macs=20M", "macs=60M"] * 8
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda budget: ask(f"/infer?{budget}", PHOTO), budgets))
    assert {status for status, _ in answers} == {200}
    subnets: dict[str, set[str]] = {budget: set() for budget in budgets}
    for budget, (_, answer) in zip(budgets, answers, strict=True):
        subnets[budget].add(answer["subnet"])
    assert [len(found) for found in subnets.values()] == [1, 1, 1]
    assert len(set.union(*subnets.values())) == 3
    for _, answer in answers[:3]:
        assert answer["mean"]["depth"] == pytest.approx(expected(answer["subnet"]), rel=1e-5)
        assert answer["latency_ms"] > 0


def test_plan_says_why_and_a_preference_counts(server: tuple[Ask, Any]) -> None:
    ask, _ = server
    status, plan = ask("/plan?macs=20M&prefer=depth=3&prefer=edges=0")
    assert status == 200
    assert plan["budget"]["prefer"] == {"depth": 3.0, "edges": 0.0}
    assert plan["rejected"]
    status, plan = ask("/plan?latency=10s")
    assert status == 200
    assert plan["latency_ms"]["kind"] == "measured"


def test_pictures_of_every_task(server: tuple[Ask, Any]) -> None:
    ask, _ = server
    for task in ("segmentation", "depth", "normals", "edges"):
        status, data = ask(f"/infer?macs=20M&picture={task}", PHOTO)
        assert status == 200
        picture = Image.open(io.BytesIO(data))
        assert picture.size == (128, 96)
        assert picture.getextrema() not in ((0, 0), ((0, 0),) * 3), f"the picture of {task} is black"


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/infer?macs=1", PHOTO, 409, "the nearest is s01-fp32"),
        ("/infer?macs=many", PHOTO, 400, "cannot read the macs"),
        ("/infer?prefer=depth", PHOTO, 400, "a task and a number"),
        ("/infer?prefer=dept=2", PHOTO, 400, "did you mean 'depth'"),
        ("/infer?macs=20M&picture=dept", PHOTO, 400, "did you mean 'depth'"),
        ("/infer?macs=20M", b"not a picture", 400, "no image"),
        ("/plan?latency=5", None, 400, "latency"),
    ],
)
def test_wrong_requests_are_the_clients_and_say_why(
    server: tuple[Ask, Any], path: str, body: bytes | None, status: int, says: str
) -> None:
    found, answer = server[0](path, body)
    assert found == status, answer
    assert says in answer["error"]


def test_it_ends_in_good_order(server: tuple[Ask, subprocess.Popen[str]]) -> None:
    """Last: the server is gone then."""
    ask, running = server
    assert ask("/infer?macs=6M", PHOTO)[0] == 200
    running.send_signal(signal.SIGINT)
    out, log = running.communicate(timeout=60)
    assert out.endswith("closed\n")
    assert "Traceback" not in log
    assert "Application shutdown complete" in log
