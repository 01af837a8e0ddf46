"""Opening: what a suite says of itself, what is refused, and how much is read for it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant

from ..attacks.manifests import put
from .making import SUBNETS, Made, complaint, make
from .network import HEIGHT, TASKS, WIDTH


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


def test_the_records_used_last_are_kept_within_a_size(suite: pliant.Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = suite.subnets[:3]
    sizes = [suite.record(each).size for each in (one, two, three)]
    monkeypatch.setattr("pliant.runtime.format.suite_file._KEPT_RECORDS", sum(sizes) - min(sizes))
    first, second = suite.record(one), suite.record(two)
    assert suite.record(one) is first
    suite.record(three)
    assert suite.record(one) is first, "used after the second, which had to go"
    assert suite.record(two) is not second
    monkeypatch.setattr("pliant.runtime.format.suite_file._KEPT_RECORDS", min(sizes) - 1)
    assert suite.record(one) is not suite.record(one), "one that is too large is kept by nobody"


def test_two_threads_read_graphs_at_the_same_time(suite_path: Path) -> None:
    """Whatever line one of them is at when the other reads one."""
    moments = 0
    while _read_beside(suite_path, moments):
        moments += 1
    assert moments > 10


def _read_beside(path: Path, left: int) -> bool:
    """Read graphs, another thread one after so many lines of that; whether there were as many."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith("suite_file.py"):
            return None
        if event == "line":
            left -= 1
            if left == -1:
                other = threading.Thread(target=suite.graph, args=(suite.subnets[3], "onnxruntime"))
                other.start()
                other.join()
        return trace

    with pliant.open_suite(path) as suite:
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            graphs = [suite.graph(subnet, "onnxruntime") for subnet in suite.subnets[:3]]
        finally:
            sys.settrace(before)
        assert len({graph.data for graph in graphs}) == 3
    return left < 0
