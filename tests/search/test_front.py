from __future__ import annotations

import dataclasses
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from pliant import InputError
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.quantize.policy import Policy
from pliant.runtime.format.tasks import Task
from pliant.search.entries import FrontEntry, Latency
from pliant.search.front import plot
from pliant.search.front.front import Front
from pliant.search.front.plot import plot_front
from pliant.search.front.provenance import Provenance
from pliant.search.front.staircase import Stair, plot_stairs

from ..full_disk import largest_file
from ..models.making import configs
from .making import NAMES, TASKS

SPACE = SearchSpace(4, NAMES)
ORIGIN = Provenance("ecmt", "ab" * 32, "noise", "validation", 4, 8, 0, 3, 9, 0.25, {"equal": (1.1, 0.3)})
numbers = st.floats(0.0, 100.0)
latencies = st.none() | st.builds(
    Latency, st.floats(0.125, 100.0), st.sampled_from(["measured", "estimated"]), st.text(max_size=5)
)


def entry(config: SubnetConfig, quality: float = 0.5, latency: Latency | None = None) -> FrontEntry:
    macs = int(1e8 * sum(config.encoder))
    return FrontEntry(config, dict.fromkeys(NAMES, quality), macs, 10, latency, ("equal",))


def front(*more: FrontEntry, tasks: tuple[Task, ...] = TASKS) -> Front:
    entries = (entry(SPACE.narrowest, 0.3), *more, entry(SPACE.widest, 0.9))
    weights = {"equal": dict.fromkeys(NAMES, 1.0), "depth=2": {**dict.fromkeys(NAMES, 1.0), "depth": 2.0}}
    return Front(entries, tasks, SPACE, weights, ORIGIN)


ENDS = (SPACE.narrowest, SPACE.widest)
between = configs(SPACE).filter(lambda config: config not in ENDS)


@given(st.lists(st.builds(entry, between, numbers, latencies), max_size=4, unique_by=lambda each: each.config))
def test_json_gives_back_an_equal_front(entries: list[FrontEntry]) -> None:
    whole = front(*entries)
    assert Front.from_json(json.loads(json.dumps(whole.to_json()))) == whole


def test_a_front_says_what_its_precisions_are() -> None:
    policies = {"mixed": Policy("mixed", (("encoder.conv1", "fp32"),)), "int8": Policy()}
    more = [entry(dataclasses.replace(SPACE.widest, precision=name)) for name in policies]
    whole = dataclasses.replace(front(*more), policies=policies)
    assert Front.from_json(json.loads(json.dumps(whole.to_json()))).policies == policies


def test_a_policy_that_no_subnet_has_and_a_subnet_without_its_policy_are_refused() -> None:
    alone = dataclasses.replace(front(), policies={"int8": Policy()})
    other = entry(dataclasses.replace(SPACE.widest, precision="mixed"))
    for wrong in (alone, dataclasses.replace(front(other), policies={"int8": Policy()})):
        with pytest.raises(InputError, match=r"policies for \['int8'\], and its subnets name"):
            Front.from_json(wrong.to_json())


def test_a_front_of_the_first_version_is_read() -> None:
    old = {key: value for key, value in front().to_json().items() if key != "policies"}
    assert Front.from_json({**old, "_version": 1}) == front()


def test_a_front_that_does_not_say_what_its_cost_is_is_read() -> None:
    whole = front().to_json()
    del whole["provenance"]["cost"]
    assert Front.from_json(whole).provenance.cost is None


def test_files_give_back_an_equal_front(tmp_path: Path) -> None:
    front().save(tmp_path / "new" / "front.json")
    assert Front.load(tmp_path / "new" / "front.json") == front()
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["front.json"]


def test_ends_are_found_by_their_configuration() -> None:
    assert front().widest.config == SPACE.widest
    assert front().narrowest.config == SPACE.narrowest


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        ((), "_version", 3, "version 2"),
        ((), "surprise", 1, "unknown key 'surprise'"),
        (("entries", 0), "surprise", 1, "unknown key 'surprise'"),
        (("entries", 0, "config"), "surprise", 1, "unknown key 'surprise'"),
        (("provenance",), "surprise", 1, "unknown key 'surprise'"),
        (("space",), "surprise", 1, "unknown key 'surprise'"),
        (("entries", 0), "macs", "many", "not a front"),
        (("entries", 0), "quality", 3, "not a front"),
        (("entries", 0), "latency", {"value": 1.0}, "has no 'kind'"),
        (("entries", 0), "latency", {"value": 1.0, "kind": "felt", "profile": "", "quantile": 0.5}, "measured or"),
        (("entries", 0, "config"), "encoder", [0.3, 1.0, 1.0, 1.0], "space has not"),
        ((), "entries", [], "lacks its widest"),
        (("entries", 0), "latency", {"value": "x", "kind": "measured", "profile": "", "quantile": 0.5}, "no finite"),
        (("entries", 0), "macs", 1e999, "no whole number"),
        (("entries", 0), "bytes", 1.5, "no whole number"),
        (("entries", 0), "bytes", 10**400, "an enormous number"),
        (("entries", 0), "preferences", "equal", "no list"),
        (("entries", 0, "config"), "encoder", ["0.5", 1.0, 1.0, 1.0], "no finite number"),
        (("provenance",), "evaluations", "abc", "no whole number"),
        (("provenance",), "algorithm", 3, "no text"),
        (("provenance",), "references", {"equal": [1.0]}, "not a front"),
        (("provenance",), "hypervolume", 10**400, "an enormous number"),
        (("preferences", "equal"), "depth", 1e999, "no finite number"),
        (("space",), "stages", 1e999, "no whole number"),
        (("space",), "tasks", "depth", "no list"),
        (("space",), "multiple", 10**400, "an enormous number"),
        ((), "tasks", {"depth": {}}, "depth"),
        (("entries", 1), "quality", {"depth": 0.5, "edges": 0.5}, "subnet 2 of a front has no quality of 'surfaces'"),
        (("entries", 0, "quality"), "normals", 0.5, "quality of 'normals', which is no task"),
        (("entries", 0), "preferences", ["depth=9"], "best for 'depth=9', which is no preference"),
        (("entries", 0), "macs", 0, "has 0 multiply-adds"),
        (("entries", 1), "macs", -5, "has -5 multiply-adds"),
        (("entries", 0), "bytes", 0, "has 0 bytes"),
        (("entries", 0), "beats", -1, "beats -1 others"),
        (("entries", 0), "latency", {"value": 0.0, "kind": "measured", "profile": "", "quantile": 0.5}, "takes 0 ms"),
        (("entries", 0), "latency", {"value": 1.0, "kind": "measured", "profile": "", "quantile": 7.0}, "quantile 7"),
        (("entries", 0), "config", SPACE.widest.to_json(), "subnets 1 and 2 of a front are the same"),
        ((), "preferences", {"equal": {"depth": 1.0}}, "preference 'equal' is about depth, and its tasks are"),
        (("preferences", "equal"), "depth", 0.0, "preference of 'depth' must be a number over 0"),
        (("space",), "tasks", ["depth"], "a front's space is about depth"),
        (("provenance",), "cost", "felt", "a front's cost is one of macs, measured latency"),
        (("provenance",), "cost", ["macs"], "a front's cost is one of"),
        (("entries", 0), "beaten", [{}], "Beaten has no"),
        (("entries", 0), "beaten", [{"config": SPACE.widest.to_json(), "quality": {}, "cost": 1.0}], "beats one whose"),
        ((), "policies", {"mixed": {}}, "not a precision policy"),
        ((), "policies", {"mixed": Policy().to_json()}, "called 'int8'"),
    ],
)
def test_what_is_no_front_is_refused(place: tuple[Any, ...], key: str, value: Any, message: str) -> None:
    whole = json.loads(json.dumps(front().to_json()))
    part = whole
    for step in place:
        part = part[step]
    part[key] = value
    with pytest.raises(InputError, match=message):
        Front.from_json(whole)


@pytest.mark.parametrize("key", sorted(front().to_json()))
def test_a_missing_key_is_refused(key: str) -> None:
    whole = front().to_json()
    del whole[key]
    with pytest.raises(InputError, match=key.strip("_")):
        Front.from_json(whole)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_front_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "front.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"front\.json") as caught:
        Front.load(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the front"):
        Front.load(tmp_path / "none.json")


def test_measuring_keeps_all_else() -> None:
    found = front().measured(lambda config: Latency(3.0, "measured", "here") if config == SPACE.widest else None)
    assert found.widest.latency == Latency(3.0, "measured", "here")
    assert found.narrowest.latency is None
    assert dataclasses.replace(found, entries=front().entries) == front()


@pytest.mark.parametrize("measured", [False, True])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_plots_are_pictures_of_a_row_a_cost(tmp_path: Path, measured: bool, count: int) -> None:
    tasks = tuple(dataclasses.replace(TASKS[i % 3], name=f"task{i}") for i in range(count))
    names = [task.name for task in tasks]
    space = SearchSpace(4, tuple(names))
    latency = Latency(2.0, "measured", "here") if measured else None
    entries = tuple(
        FrontEntry(config, dict.fromkeys(names, 0.5), 1000, 10, latency, ("equal",))
        for config in (space.narrowest, space.uniform(0.5), space.widest)
    )
    weights = {"equal": dict.fromkeys(names, 1.0), "x": {**dict.fromkeys(names, 1.0), names[0]: 2.0}}
    plot_front(Front(entries, tasks, space, weights, ORIGIN), tmp_path / "front.png")
    with Image.open(tmp_path / "front.png") as picture:
        assert picture.format == "PNG"
        assert len({color for _, color in picture.convert("RGB").getcolors(1 << 24) or []}) > 50
        rows = (2 if measured else 1) * (2 if count > 4 else 1)
        assert 300 * rows < picture.height < 600 * rows


@pytest.mark.parametrize("preferences", [("equal", "x"), ("equal",), ()])
def test_the_legend_names_only_what_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preferences: tuple[str, ...]
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(plot, "save_picture", lambda figure, path: drawn.append(figure))
    names = [task.name for task in TASKS]
    weights = {"equal": dict.fromkeys(names, 1.0), "x": {**dict.fromkeys(names, 1.0), names[0]: 2.0}}
    entries = tuple(
        FrontEntry(config, dict.fromkeys(names, 0.5), macs, 10, None, preferences)
        for config, macs in ((SPACE.narrowest, 10), (SPACE.uniform(0.5), 100), (SPACE.widest, 1000))
    )
    plot_front(Front(entries, TASKS, SPACE, weights, ORIGIN), tmp_path / "front.png")
    found = {text.get_text() for legend in drawn[0].legends for text in legend.get_texts()}
    said = {"equal": "all tasks equal", "x": "prefer x"}
    for axes in drawn[0].axes:
        assert all(np.size(line.get_xdata()) for line in axes.lines)
    assert found == ({said[name] for name in preferences} or {"a subnet"})


def test_a_disk_that_is_full_keeps_the_old_pictures(tmp_path: Path) -> None:
    steps = [Stair("a part", (0.5, 1.0), (1.0, 2.0))]
    written = {
        tmp_path / "front.png": partial(plot_front, front()),
        tmp_path / "front-latency.png": partial(plot_stairs, steps, "a machine"),
    }
    for path, write in written.items():
        write(path)
        old = path.read_bytes()
        with largest_file(1000), pytest.raises(InputError, match=f"^cannot write {re.escape(str(path))}: "):
            write(path)
        assert path.read_bytes() == old
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_a_plot_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        plot_front(front(), tmp_path / "file" / "front.png")
