"""Opening: what a suite says of itself, what is refused, and how much is read for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant

from .making import HEIGHT, SUBNETS, TASKS, WIDTH, Made, complaint, make


def test_a_suite_tells_its_tasks_subnets_and_input(suite: pliant.Suite, suite_path: Path) -> None:
    assert dict(suite.tasks) == {task.name: task for task in TASKS}
    assert [subnet.id for subnet in suite.subnets] == list(SUBNETS)
    assert suite.input.shape == (HEIGHT, WIDTH, 3)
    assert suite.path == suite_path
    assert suite.widest.id == "s03-fp32"
    subnet = suite.subnet("s01-int8")
    assert (subnet.precision, subnet.widths.encoder) == ("int8", (0.25, 0.5))
    assert subnet.cost(("room",)).macs == subnet.encoder.macs + subnet.decoders["room"].macs
    assert subnet.cost() == subnet.cost(tuple(suite.tasks))


def test_opening_and_asking_imports_no_engine(suite_path: Path) -> None:
    code = (
        "import sys, pliant\n"
        "assert 'numpy' not in sys.modules\n"
        f"suite = pliant.open_suite({str(suite_path)!r})\n"
        "suite.subnets, suite.tasks\n"
        "sys.exit(any(name in sys.modules for name in ('onnxruntime', 'torch', 'onnx', 'PIL', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    assert "open_suite" in dir(pliant)
    with pytest.raises(AttributeError, match="openn"):
        pliant.openn  # noqa: B018


def test_unknown_minor_versions_and_keys_are_read(tmp_path: Path) -> None:
    made = make()
    made.manifest |= {"format_version": "1.7", "news": {"a": 1}}
    with pliant.open_suite(made.write(tmp_path / "newer.pliant")) as suite:
        assert suite.manifest.format_version == "1.7"


def put(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        at: Any = manifest
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value

    return change


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.pop(key)


WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "major version": (put("format_version", value="2.0"), "format 2.0"),
    "no version": (drop("format_version"), "no format version"),
    "version is a number": (put("format_version", value=1.0), "no format version"),
    "no input": (drop("input"), "'input' is missing"),
    "size zero": (put("input", "height", value=0), "input.height"),
    "size huge": (put("input", "width", value=10**9), "input.width"),
    "batch backwards": (put("input", "batch", value=[8, 1]), "input.batch"),
    "BGR": (put("input", "color", value="BGR"), "RGB"),
    "negative macs": (put("subnets", 0, "macs", value=-1), "macs"),
    "infinite quality": (put("subnets", 0, "quality", "depth", "value", value=1e999), "finite|Infinity"),
    "width over one": (put("subnets", 0, "widths", "encoder", value=[2.0]), "width"),
    "missing task": (put("subnets", 0, "quality", value={}), "exactly the tasks"),
    "same id": (put("subnets", 1, "id", value="s01-fp32"), "same id"),
    "id with an escape": (put("subnets", 0, "id", value="\x1b[2J"), "printable"),
    "id of another type": (put("subnets", 0, "id", value=["s"]), "printable"),
    "graph bomb": (put("subnets", 0, "graphs", "onnxruntime", "size", value=10**12), "size"),
    "no subnets": (put("subnets", value=[]), "no subnet"),
    "no tasks": (put("tasks", value={}), "no task"),
    "unknown kind": (put("tasks", "depth", "kind", value="haze"), "haze"),
    "classes unnamed": (put("tasks", "floor", "classes", value=[]), "no classes"),
    "colour": (put("tasks", "floor", "colors", value=[[0, 0, 999]]), "colour"),
    "digest": (put("digests_sha256", value="zz"), "sha256"),
    "tolerance": (put("witness_tolerance", "fp32", value="big"), "finite"),
    "tolerance beyond floats": (put("witness_tolerance", "fp32", value=10**400), "outside"),
    "quality beyond floats": (put("subnets", 0, "quality", "depth", "value", value=10**400), "outside"),
    "width beyond floats": (put("subnets", 0, "widths", "encoder", value=[10**400]), "outside"),
    "range beyond floats": (put("tasks", "depth", "value_range", value=[0, 10**400]), "as the format asks"),
    "macs beyond floats": (put("subnets", 0, "macs", value=10**400), "outside"),
    "fewer colours than classes": (put("tasks", "floor", "colors", value=[[0, 0, 0]]), "1 colours for 3 classes"),
    "tolerance with an escape": (put("witness_tolerance", "\x1b[2J", value=2.0), "printable"),
    "provenance with an escape": (put("provenance", "made", value="by \x9b31m me"), "printable"),
    "provenance backwards": (put("provenance", "made", value="by \u202e me"), "printable"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_manifest_is_one_line(tmp_path: Path, case: str) -> None:
    made = make()
    change, says = WRONG[case]
    written = made.write
    digest = "digest" in case
    if not digest:
        change(made.manifest)
        path = written(tmp_path / "wrong.pliant")
    else:
        path = tmp_path / "wrong.pliant"
        good = written(tmp_path / "good.pliant").read_bytes()
        path.write_bytes(good.replace(made.manifest["digests_sha256"].encode(), b"z" * 64))
    with pytest.raises(pliant.SuiteError, match=says) as caught:
        pliant.open_suite(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "where", [("tasks", "floor", "colors", 0, 0), ("tasks", "depth", "value_range", 0), ("subnets", 0, "macs")]
)
def test_a_number_that_reads_as_infinity_is_refused(tmp_path: Path, where: tuple[Any, ...]) -> None:
    made = make()
    put(*where, value=123454321)(made.manifest)
    raw = made.write(tmp_path / "good.pliant").read_bytes()
    path = tmp_path / "wrong.pliant"
    path.write_bytes(raw.replace(b"123454321", b"1e9999999"))
    with pytest.raises(pliant.SuiteError, match="manifest") as caught:
        pliant.open_suite(path)
    assert "\n" not in str(caught.value)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in leaves(value[key], (*path, key))] or [path]
    if isinstance(value, list):
        return [leaf for index in range(len(value)) for leaf in leaves(value[index], (*path, index))] or [path]
    return [path]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.just([[]]),
)


@given(st.data())
def test_any_value_anywhere_in_a_manifest_is_read_or_refused(
    made: Made, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    fresh = make()
    where = data.draw(st.sampled_from(leaves(fresh.manifest)))
    cut = data.draw(st.integers(1, len(where)))
    put(*where[:cut], value=data.draw(JUNK))(fresh.manifest)
    path = fresh.write(tmp_path_factory.mktemp("junk") / "junk.pliant")
    assert "\n" not in complaint(lambda: pliant.open_suite(path).close())


def test_opening_a_hundred_subnets_reads_the_header_only(tmp_path: Path) -> None:
    made = make()
    (entry,) = made.manifest["subnets"][:1]
    made.manifest["subnets"] = [{**entry, "id": f"s{index:03}-fp32"} for index in range(100)]
    path = made.write(tmp_path / "hundred.pliant")
    with pliant.open_suite(path) as suite:
        assert len(suite.subnets) == 100
        last_of_header = min(entry.start for entry in suite.container.entries.values())
    # Everything after the header may be garbage: opening does not look at it.
    with open(path, "r+b") as file:
        file.seek(last_of_header)
        file.write(b"\xaa" * (path.stat().st_size - last_of_header))
    with pliant.open_suite(path) as suite:
        assert len(suite.subnets) == 100
        with pytest.raises(pliant.SuiteError, match="damaged"):
            suite.load(threads=1)


def test_views_share_one_copy_of_the_weights(suite: pliant.Suite) -> None:
    graph, record = suite.graph(suite.subnet("s01-fp32"), "onnxruntime"), suite.record(suite.subnet("s01-fp32"))
    view = record.views["mix.weight"]
    assert view.ranges[1] == ((0, 4), (16, 24))
    wide = suite.container.read(view.tensor)
    narrow = suite.container.read(view.tensor, view.ranges)
    assert narrow.shape == graph.initializers["mix.weight"].shape
    np.testing.assert_array_equal(narrow, np.concatenate([wide[:, :4], wide[:, 16:24]], 1))
