"""The page of a front: the data in it, nothing from elsewhere, and the same choice as plans make, in a real browser."""

from __future__ import annotations

import dataclasses
import json
import random
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest

from pliant import InputError
from pliant.models.space import SearchSpace
from pliant.runtime.format.manifest import Cost, Quality, SubnetInfo, Widths
from pliant.runtime.format.tasks import Task
from pliant.runtime.planning.budget import make_budget
from pliant.runtime.planning.choice import Candidate, rank
from pliant.search.entries import FrontEntry, Latency
from pliant.search.front.front import Front
from pliant.search.front.page import write_page
from pliant.search.front.provenance import Provenance

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
# Names that would end a script or a title, or that JavaScript has a meaning or an order of its own for.
HOSTILE = ("</script><script>alert(1)</script>", "<!--<script>", "'; rm \"&amp;", "__proto__", "10")

NUMBERS = (0, 4, 3.7612, 0.99996, 1234.4, 9999.6, 12345.6, 2.3e9, -7.25, 0.000123456, 0.0000123, 1e-12)

# Pin subnet 4 by the keyboard, move a weight's slider, reset the weights; what was seen after each.
USED = """
    const seen = [], dot = charts[1].dots[3], slider = $("weights").querySelector("input");
    dot.focus();
    const tip = $("tip").textContent.split(":")[0];
    dot.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    seen.push($("card").querySelector("h2").textContent, location.hash.split("&").at(-1), tip);
    slider.value = 1.5;
    slider.dispatchEvent(new Event("input"));
    slider.dispatchEvent(new Event("change", { bubbles: true }));
    seen.push(`slider ${state.weights[0]}`, location.hash.includes("pin") ? "a pin" : "no pin");
    $("reset").click();
    seen.push(state.weights);
    document.body.append(html("pre", { id: "used" }, JSON.stringify(seen)));
"""


def make_front(names: tuple[str, ...], seed: int = 0, count: int = 12, data: str = "noise") -> Front:
    """Few different qualities and costs, zeros among them, so that ties are common."""
    rng = random.Random(seed)
    kinds = ("segmentation", "depth", "normals")
    tasks = tuple(Task(name, cast(Any, kinds[i % 3])) for i, name in enumerate(names))
    space = SearchSpace(4, names)
    configs = [space.narrowest, *(space.sample(rng) for _ in range(count)), space.widest]

    def entry(number: int) -> FrontEntry:
        # Powers of two divide exactly, so that equal scores are equal in both languages.
        quality = {task.name: rng.choice([0.0, 0.25, 0.5, 1.0]) for task in tasks}
        macs = 2001 if number == count + 1 else 200 * rng.randint(1, 9)
        return FrontEntry(configs[number], quality, macs, rng.randint(1, 3), Latency(macs / 100, "estimated", "here"))

    entries = tuple(entry(number) for number in range(count + 2))
    origin = Provenance("ecmt", "ab" * 32, data, "validation", 4, 8, 0, 3, 9, 0.25, {"equal": (1.1, 0.3)})
    return Front(entries, tasks, space, {"equal": dict.fromkeys(names, 1.0)}, origin)


class Reader(HTMLParser):
    """Collects what a browser would see: elements with their attributes, and the text of scripts and of the title."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._in] = self.texts.get(self._in, "") + data


@pytest.mark.parametrize("names", [("depth", "edges"), (*HOSTILE, "\ud800")])
def test_the_front_can_be_read_back_out_of_the_page(tmp_path: Path, names: tuple[str, ...]) -> None:
    front = make_front(names, data="</title><script>\ud800")
    write_page(front, tmp_path / "new" / "front.html")
    read = Reader((tmp_path / "new" / "front.html").read_text(encoding="utf-8"))
    assert json.loads(read.texts["front"]) == front.to_json()
    assert Front.from_json(json.loads(read.texts["front"])) == front
    assert read.texts["title"] == read.texts["h1"]
    assert read.texts["title"].startswith("</title><script>\ufffd: 14 subnets by ecmt")
    assert [tag for tag, _ in read.elements].count("script") == 3
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["front.html"]


def test_a_precision_by_part_names_the_tasks_in_words(tmp_path: Path) -> None:
    """Its short name has initials in the order of the tasks' names, which is not that of the front's tasks."""
    front = make_front(("surfaces", "depth"))
    mixed = dataclasses.replace(
        front.entries[3], config=dataclasses.replace(front.entries[3].config, precision="int8-if")
    )
    front = dataclasses.replace(front, entries=(*front.entries[:3], mixed, *front.entries[4:]))
    write_page(front, tmp_path / "front.html")
    read = Reader((tmp_path / "front.html").read_text(encoding="utf-8"))
    told = json.loads(read.texts["facts"])["precision"]
    assert told[3] == "int8, surfaces fp32"
    assert told[0] == "fp32"


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    write_page(make_front(("depth", "edges")), tmp_path / "front.html")
    page = (tmp_path / "front.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|src\s*=|href|@import|url\(|fetch\(|XMLHttpRequest|import\(|__[A-Z]+__", page)
    policy = [given["content"] for tag, given in Reader(page).elements if tag == "meta" and "http-equiv" in given]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        write_page(make_front(("depth",)), tmp_path / "file" / "front.html")


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here to run the page in")
def test_the_page_chooses_as_plans_do(tmp_path: Path) -> None:
    """One start of the browser: the page's own functions on many requests, and one request by the address."""
    front = make_front(HOSTILE, seed=3)
    rng = random.Random(5)
    cases = [([2.0 ** rng.randint(-3, 3) for _ in HOSTILE], rng.randint(150, 2100)) for _ in range(400)]
    write_page(front, tmp_path / "front.html")
    address = urlencode([("macs", "1.2k"), ("prefer", "10=4"), ("prefer", f"{HOSTILE[2]}=0.5")])
    asking = f"""<script>
    const found = {json.dumps(cases)}.map(([weights, macs]) => [
      choose(scoresOf(weights), COSTS.macs, macs)?.number ?? null,
      choose(scoresOf(weights), COSTS.latency, macs / 100)?.number ?? null,
      ladder(scoresOf(weights), COSTS.macs).findLast(entry => entry.macs <= macs)?.number ?? null,
      readAmount(writeAmount(macs, COSTS.macs), COSTS.macs) >= macs,
    ]);
    const written = {json.dumps(cases)}.map(([weights, macs]) => {{
      const scores = scoresOf(weights), chosen = choose(scores, COSTS.macs, macs);
      return chosen && showBeside(chosen, scores);
    }});
    document.body.append(html("pre", {{ id: "written" }}, JSON.stringify(written)));
    document.body.append(html("pre", {{ id: "numbers" }}, {json.dumps(NUMBERS)}.map(showScore).join(" ")));
    const tall = place => document.querySelector(`${{place}} svg text`).getBoundingClientRect().height;
    document.body.append(html("pre", {{ id: "tall" }}, tall("#card") <= tall("#score")));
    document.body.append(html("pre", {{ id: "found" }}, JSON.stringify(found)));
    document.body.append(html("pre", {{ id: "told" }}, $("said").textContent));
    document.body.append(html("pre", {{ id: "sent" }}, command().join(" ")));
    history.replaceState(null, "", "#");
    front.provenance.cost = "measured latency";
    document.body.append(html("pre", {{ id: "first" }}, readState().name));
    front.provenance.cost = "macs";
    document.body.append(html("pre", {{ id: "other" }}, readState().name));
    history.replaceState(null, "", "#" + {json.dumps(address)});
    {USED}
    </script>"""
    with (tmp_path / "front.html").open("a", encoding="utf-8") as file:
        file.write(asking)
    read = Reader(_shown(f"{(tmp_path / 'front.html').as_uri()}#{address}", tmp_path))
    right = [_planned(front, weights, macs) for weights, macs in cases]
    assert json.loads(read.texts["found"]) == [[number, number, number, True] for number in right]
    assert len(set(right)) > 4
    for text, (weights, macs) in zip(json.loads(read.texts["written"]), cases, strict=True):
        assert text in _scores(front, weights, macs)
    assert read.texts["numbers"] == " ".join(f"{number:.4g}" for number in NUMBERS)
    assert read.texts["tall"] == "true", "words on the card are larger than those of the charts"
    number = _planned(front, [4.0 if name == "10" else 0.5 if name == HOSTILE[2] else 1.0 for name in HOSTILE], 1200)
    assert f"subnet {number} of 14" in read.texts["told"]
    assert (read.texts["first"], read.texts["other"]) == ("latency", "macs")
    asked = "--macs 1.2k --prefer ''\\''; rm \"&amp;=0.5' --prefer 10=4"
    assert read.texts["sent"] == f"pliant plan MODEL.pliant {asked}"
    assert json.loads(read.texts["used"]) == [
        "Subnet 4 of 14, pinned",
        "pin=4",
        "Subnet 4, fp32",
        "slider 2.83",
        "no pin",
        [1] * len(front.tasks),
    ]


def _planned(front: Front, weights: list[float], macs: int) -> int | None:
    """The number of the subnet that a plan takes, None where none fits."""
    fitting = [each.subnet for each in _ranked(front, weights, macs) if not each.misses]
    return int(fitting[0].id) if fitting else None


def _ranked(front: Front, weights: list[float], macs: int) -> list[Candidate]:
    tasks = {task.name: task for task in front.tasks}
    budget = make_budget(tasks, macs=macs, prefer=dict(zip(tasks, weights, strict=True)))
    subnets = [_info(front, number) for number in range(1, len(front.entries) + 1)]
    return rank(subnets, tuple(tasks), budget)


def _scores(front: Front, weights: list[float], macs: int) -> set[str | None]:
    """The line of a plan on its scores; halves of the last digit the page rounds up, and Python to even."""
    ranked = _ranked(front, weights, macs)
    chosen = next((each.score for each in ranked if not each.misses), None)
    full = next(each.score for each in ranked if int(each.subnet.id) == len(front.entries))
    up = 1 + 1e-12
    return {
        None if chosen is None else f"{chosen * a:.4g} (the widest: {full * b:.4g})" for a in (1, up) for b in (1, up)
    }


def _info(front: Front, number: int) -> SubnetInfo:
    entry, nothing = front.entries[number - 1], Cost(0, 0)
    quality = {task.name: Quality(task.metric, entry.quality[task.name], task.higher_is_better) for task in front.tasks}
    widths = Widths(entry.config.encoder, dict(entry.config.decoders))
    return SubnetInfo(str(number), widths, "fp32", entry.macs, entry.bytes, nothing, {}, quality, {}, "")


def _shown(address: str, folder: Path) -> str:
    """The page's elements as they are after its scripts have run."""
    command = [cast(str, BROWSER), *FLAGS, f"--user-data-dir={folder / 'browser'}", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
