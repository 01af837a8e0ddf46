"""Every verb explains itself, with examples that its own parser accepts."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
import typer

from pliant.cli import app

from .conftest import Terminal

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
MAKING, DEPLOYED = ("demo", "train", "search", "export"), ("inspect", "verify", "sign", "plan", "run")
VERBS = (*MAKING, *DEPLOYED, "bench", "profile", "build", "extract", "package", "doctor", "data")
# The verb whose own verb prints numbers.
WITHOUT_JSON = {"data"}


def test_these_are_the_verbs() -> None:
    assert tuple(COMMANDS) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example_that_parses(verb: str, pliant: Terminal) -> None:
    said = pliant(verb, "--help")
    assert said.code == 0
    assert not said.err
    _, found, examples = said.out.partition("Example")
    assert found
    lines = [line.strip() for line in examples.splitlines() if line.strip().startswith("pliant ")]
    assert lines
    for line in lines:
        _, named, *arguments = shlex.split(line)
        assert named == verb
        COMMANDS[verb].make_context(verb, arguments)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - WITHOUT_JSON))
def test_verbs_that_print_numbers_have_json(verb: str, pliant: Terminal) -> None:
    assert "--json" in pliant(verb, "--help").out


def test_without_a_verb_the_verbs_are_listed(pliant: Terminal) -> None:
    said = pliant()
    assert said.code == 0
    assert all(f"\n  {verb} " in said.out for verb in VERBS)
    assert said.out == pliant("--help").out


def test_help_fits_eighty_columns(pliant: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for verb in VERBS:
        examples = False
        for line in pliant(verb, "--help").out.splitlines():
            examples = line.strip().startswith("pliant ") or line.startswith("Usage")
            assert len(line) <= 80 or examples, line


def test_version(pliant: Terminal) -> None:
    assert pliant("--version").out.startswith("pliant 0.")
