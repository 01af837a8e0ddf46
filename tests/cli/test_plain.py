"""Text from strangers: shown on terminals as it is where it can be, as escapes where it would do something."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.cli.plain import one_line, printable, printable_json
from pliant.cli.progress import note, progress_bar
from pliant.cli.tables import print_folded, print_json, print_lines, print_table

HOSTILE = "a\x1b[31m\x9b2J\u202eb\x07"


@given(st.text())
def test_nothing_but_line_breaks_is_left(text: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in printable(text))
    assert one_line(text).isprintable()


@given(st.text().filter(str.isprintable))
def test_what_can_be_shown_is_not_changed(text: str) -> None:
    assert printable(text) == text


@given(st.dictionaries(st.text(), st.text()))
def test_json_reads_back_the_same(value: dict[str, str]) -> None:
    shown = printable_json(value)
    assert json.loads(shown) == value
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_every_way_to_print_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({HOSTILE: "é"})
    print_table((HOSTILE, "b"), [(HOSTILE, HOSTILE)])
    print_lines([(HOSTILE, HOSTILE)])
    print_folded(HOSTILE)
    note(HOSTILE)
    shown = capsys.readouterr()
    assert "é" in shown.out
    assert all(character.isprintable() or character == "\n" for character in shown.out + shown.err)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_shows_markup_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with progress_bar() as report:
        report("[/x]", 1, 2)
    assert "[/x]" in screen.getvalue()


def test_a_log_gets_a_line_of_long_work_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter((0.0, 1.0, 16.0, 16.0, 17.0))
    monkeypatch.setattr("pliant.cli.progress.time.monotonic", lambda: next(clock))
    with progress_bar() as report:
        report("exporting", 1, 9)
        report("exporting", 2, 9)
        report("exporting", 3, 9)
    assert capsys.readouterr().err == "exporting: 2 of 9\n"
