from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import torch

from pliant import CheckpointError, DataError, PliantError
from pliant.devices.locking import LOCKS
from pliant.models import Supernet
from pliant.quantize.policy import Policy
from pliant.search.log import EvaluationLog
from pliant.search.pace import Timed
from pliant.search.quality.identity import batches_digest, supernet_digest

from ..full_disk import largest_file
from .making import make_batches, make_supernet


def test_every_torn_tail_is_cut_off_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = EvaluationLog(path, {"supernet": "a"})
    tables = [((0.5,), {"depth": {0.5: 0.1 + 0.2}}), ((1.0,), {"depth": {0.5: 1e-17}})]
    for encoder, table in tables:
        log.append(encoder, table)
    log.close()
    whole = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends) - 1
        again = EvaluationLog(path, {"supernet": "a"}, resume=True)
        assert again.entries == tables[: max(kept, 0)]
        again.append(*tables[1])
        again.close()
        last = EvaluationLog(path, {"supernet": "a"}, resume=True)
        assert last.entries == [*tables[: max(kept, 0)], tables[1]]
        last.close()


def test_latencies_come_back_but_those_that_say_nothing_of_the_pace(tmp_path: Path) -> None:
    """Versions before the pace was noted wrote `latency`; what they measured is measured anew."""
    config, timed = make_supernet().space.widest, Timed(0.1 + 0.2, 1e-3)
    log = EvaluationLog(tmp_path / "log", {"supernet": "a"})
    log.append_latency("clock", config, timed)
    log.close()
    earlier = {"clock": "clock", "config": make_supernet().space.narrowest.to_json(), "latency": {"value": 1.0}}
    with (tmp_path / "log").open("a") as file:
        file.write(json.dumps(earlier) + "\n")
    again = EvaluationLog(tmp_path / "log", {"supernet": "a"}, resume=True)
    assert again.latencies == {("clock", config): timed}
    assert again.held() == f"{tmp_path / 'log'} holds 0 evaluations and 1 latency, which are not made again"
    again.close()


def test_policies_come_back_as_they_were_found(tmp_path: Path) -> None:
    found = (Policy(), Policy("mixed", (("encoder.*", "fp32"),)))
    log = EvaluationLog(tmp_path / "log", {"supernet": "a"})
    log.append_policies("so", found)
    log.close()
    again = EvaluationLog(tmp_path / "log", {"supernet": "a"}, resume=True)
    assert again.policies == {"so": found}
    again.close()


def test_a_log_of_nothing_is_no_search_to_go_on_with(tmp_path: Path) -> None:
    """As one leaves that failed before it measured anything."""
    EvaluationLog(tmp_path / "log", {"supernet": "a"}).close()
    log = EvaluationLog(tmp_path / "log", {"supernet": "b"})
    assert log.held() == f"{tmp_path / 'log'} holds nothing to resume: this begins a search"
    log.append((0.5,), {"depth": {0.5: 0.1}})
    log.close()
    with pytest.raises(CheckpointError, match="holds a search already"):
        EvaluationLog(tmp_path / "log", {"supernet": "b"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "another supernet"),
        (b"hello\n", "not the log of a search"),
        (b'{"kind": "other"}\n', "not the log of a search"),
    ],
)
def test_a_log_of_something_else_is_refused_and_not_touched(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "log"
    EvaluationLog(path, {"supernet": "a"}).close()
    if content is not None:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        EvaluationLog(path, {"supernet": "b"}, resume=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"hello", b"{", b'{"_version": 1, "kind": "pliant search log", "supernet": "c', b"[" * 9]
)
def test_a_file_without_a_newline_is_gone_on_with_only_where_it_is_our_own_torn_first_line(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "log"
    EvaluationLog(path, {"supernet": "a"}).close()
    ours = path.read_bytes().startswith(content)
    path.write_bytes(content)
    if ours:
        EvaluationLog(path, {"supernet": "a"}, resume=True).close()
        assert path.read_bytes().endswith(b'"a"}\n')
        return
    with pytest.raises(CheckpointError, match="not the log of a search: choose another --out"):
        EvaluationLog(path, {"supernet": "a"}, resume=True)
    assert path.read_bytes() == content


DAMAGED = {
    "torn in the middle": b'{"encoder": [0.5], "qual',
    "a value is missing": b'{"encoder": [1.0]}',
    "nested without end": b"[" * 100_000,
    "no object": b'"latency"',
    "a width of 400 digits": b'{"encoder": [1%s], "quality": {}}' % (b"0" * 400),
    "no number": b'{"encoder": [1.0], "quality": {"depth": [[1.0, NaN]]}}',
    "without end": b'{"encoder": [1.0], "quality": {"depth": [[1.0, 1e999]]}}',
    "a time without end": b'{"clock": "c", "config": {}, "timed": {"milliseconds": 1e999, "pace": 1.0}}',
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_line_is_named_and_what_is_said_of_it_keeps_the_others(tmp_path: Path, what: str) -> None:
    path, line = tmp_path / "a log", DAMAGED[what]
    log = EvaluationLog(path, {})
    known = [((width,), {"depth": {1.0: width}}) for width in (0.5, 1.0)]
    for encoder, table in known:
        log.append(encoder, table)
    log.close()
    first, second, third = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, second, line, third, b""]))
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"line 3 of .* is damaged: `(.*)` takes that line out") as caught:
        EvaluationLog(path, {}, resume=True)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    subprocess.run(str(caught.value).split("`")[1], shell=True, check=True)
    again = EvaluationLog(path, {}, resume=True)
    again.close()
    assert again.entries == known
    assert (tmp_path / "a log.bak").read_bytes() == before


def test_a_quality_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    log = EvaluationLog(tmp_path / "log", {})
    with pytest.raises(DataError, match="'depth' is measured as"):
        log.append((0.5,), {"depth": {1.0: float("inf")}})
    log.close()
    EvaluationLog(tmp_path / "log", {}, resume=True).close()


def test_a_full_disk_is_told_with_the_files_name_and_costs_no_line_before(tmp_path: Path) -> None:
    """The line that does not fit is neither kept in part nor tried again, unnamed, when the log is closed."""
    path, known = tmp_path / "log", ((0.5,), {"depth": {0.5: 0.25}})
    log = EvaluationLog(path, {"supernet": "a"})
    log.append(*known)
    whole = path.read_bytes()
    with largest_file(len(whole) + 10):
        with pytest.raises(PliantError, match=f"^cannot write {re.escape(str(path))}: "):
            log.append((1.0,), {"depth": {0.5: 0.5}})
        assert path.read_bytes() == whole
        log.close()
    again = EvaluationLog(path, {"supernet": "a"}, resume=True)
    assert again.entries == [known]
    again.close()


def test_digests_see_one_changed_value() -> None:
    def changed(supernet: Supernet) -> Supernet:
        with torch.no_grad():
            next(supernet.parameters()).view(-1)[0] += 1e-3
        return supernet

    assert supernet_digest(make_supernet()) == supernet_digest(make_supernet())
    assert supernet_digest(make_supernet()) != supernet_digest(changed(make_supernet()))
    one, other = make_batches(3, 1), make_batches(2, 9)
    assert batches_digest(one, other) != batches_digest(other, one)


@pytest.mark.skipif(not LOCKS, reason="this system has no locks of files")
def test_a_log_that_a_search_is_writing_is_no_other_ones(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = EvaluationLog(path, {"supernet": "a"})
    log.append((1.0,), {"depth": {0.5: 0.25}})
    for resume in (True, False):
        with pytest.raises(PliantError, match="another search is writing"):
            EvaluationLog(path, {"supernet": "a"}, resume=resume)
    log.append((0.5,), {"depth": {0.5: 0.5}})
    log.close()
    again = EvaluationLog(path, {"supernet": "a"}, resume=True)
    assert len(again.entries) == 2
    again.close()
    with pytest.raises(CheckpointError, match="another supernet"):
        EvaluationLog(path, {"supernet": "b"}, resume=True)
    EvaluationLog(path, {"supernet": "a"}, resume=True).close()
