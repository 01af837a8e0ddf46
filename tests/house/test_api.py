"""docs/api.md and the code say the same: every public name stands there, with its parameters, and no other does."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import pliant

SAMPLE = str(files("pliant.runtime") / "sample" / "sample.pliant")
CALL = re.compile(r"`((?:pliant|[A-Z]\w+)\.\w+)\(([^`]*)\)`")
NAME = re.compile(r"`((?:pliant|[A-Z]\w+)\.\w+)[`(]")


@pytest.fixture(scope="module")
def page(checkout: Path) -> str:
    return (checkout / "docs" / "api.md").read_text()


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, Any]]:
    """One of each class whose attributes are set when it is made."""
    with pliant.open_suite(SAMPLE) as suite, suite.load(suite.subnets[0], tasks="depth", threads=1) as model:
        yield {"Suite": suite, "Model": model, "NoSubnetFits": pliant.NoSubnetFits("none")}


def public(made: dict[str, Any]) -> set[str]:
    """`pliant.X` for every name, `X.y` for every attribute that is no built-in's."""
    found = {f"pliant.{name}" for name in pliant.__all__}
    for name in pliant.__all__:
        kind = getattr(pliant, name)
        if inspect.isclass(kind):
            ours = [each for each in kind.__mro__ if each.__module__.startswith("pliant.")]
            attributes = set().union(*map(vars, ours), vars(made[name]) if name in made else ())
            if dataclasses.is_dataclass(kind):
                attributes |= {field.name for field in dataclasses.fields(kind)}
            found |= {f"{name}.{each}" for each in attributes if not each.startswith("_")}
    return found


def test_every_public_name_is_listed() -> None:
    """Of those that are loaded when they are asked for, too."""
    assert set(pliant.__all__) >= set(pliant._LAZY)
    assert pliant.__all__ == sorted(pliant.__all__)
    for name in pliant.__all__:
        assert getattr(pliant, name).__doc__


def test_the_page_names_what_is_there_and_nothing_else(page: str, made: dict[str, Any]) -> None:
    named, there = set(NAME.findall(page)), public(made)
    assert there - named == set(), "not on docs/api.md"
    assert named - there - {"Model.__call__"} == set(), "on docs/api.md, and nowhere else"


def test_the_page_gives_the_parameters_of_every_call(page: str) -> None:
    said = dict(CALL.findall(page))
    functions = {f"pliant.{name}" for name in pliant.__all__ if inspect.isfunction(getattr(pliant, name))}
    assert functions <= set(said)
    for name, parameters in said.items():
        assert _words(name) == parameters, f"{name} on docs/api.md"


def test_what_is_a_method_is_shown_as_a_call(page: str, made: dict[str, Any]) -> None:
    said = dict(CALL.findall(page))
    for name in public(made) - {f"pliant.{each}" for each in pliant.__all__}:
        attribute = inspect.getattr_static(*_place(name), None)
        if isinstance(attribute, (classmethod, staticmethod)) or inspect.isfunction(attribute):
            assert name in said, f"{name} has parameters that docs/api.md does not give"


def test_the_words_of_a_budget_are_those_of_plan(page: str) -> None:
    from pliant.runtime.planning.deciding import make_plan

    row = next(line for line in page.splitlines() if line.startswith("| `Suite.plan("))
    said = set(re.findall(r"`(\w+)`", row.split("|")[2]))
    # Energy is a word that every machine refuses as yet.
    assert said | {"energy"} == set(inspect.signature(make_plan).parameters) - {"suite"}


def _place(name: str) -> tuple[Any, str]:
    owner, _, attribute = name.partition(".")
    return (pliant if owner == "pliant" else getattr(pliant, owner)), attribute


def _words(name: str) -> str:
    """The parameters as the page writes them: `a, *, b, **c`."""
    words: list[str] = []
    for parameter in inspect.signature(getattr(*_place(name))).parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(("**" if parameter.kind is parameter.VAR_KEYWORD else "") + parameter.name)
    return ", ".join(words)
