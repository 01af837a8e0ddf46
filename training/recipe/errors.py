"""What a mistake in a YAML file is called: one line with the key, its place, what was given and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from .part import Part


def one_line(error: ValidationError, place: str, lines: Mapping[str, int], root: type[Part]) -> str:
    """The one mistake that matters, in one line: a misspelled key before what is missing because of it.

    `lines` maps dotted keys to their line in `place`, which holds a `root`.
    """
    problems = error.errors(include_url=False)
    order = {"extra_forbidden": 0, "missing": 2}
    problem = min(problems, key=lambda each: order.get(each["type"], 1))
    names = [str(part) for part in problem["loc"] if part != "[key]"]
    line = _line(names, lines)
    where = place if line is None else f"{place} line {line}"
    return f"{where}: {_what(problem, names, root)}"


def _line(names: list[str], lines: Mapping[str, int]) -> int | None:
    for length in range(len(names), 0, -1):
        line = lines.get(".".join(names[:length]))
        if line is not None:
            return line
    return None


def _what(problem: Any, names: list[str], root: type[Part]) -> str:
    dotted = ".".join(names)
    key, colon, value = names[-1].partition(":") if names else ("", "", "")
    if colon and value and problem["input"] is None:  # `{train:24}` is a key without a value
        return f"unknown key {dotted!r}; YAML wants a space after the colon, as in '{key}: {value}'"
    if problem["type"] == "extra_forbidden":
        return f"unknown key {dotted!r}; {_advice(names, root)}"
    if problem["type"] == "invalid_key":
        return f"unknown key {dotted!r}; {_advice(names, root)}"
    if problem["type"] == "missing" and names[-1].isdigit():
        return f"{'.'.join(names[:-1])} has too few values"
    if problem["type"] == "too_long":
        return f"{dotted} is {_shown(problem['input'])}; it should have {problem['ctx']['max_length']} values"
    if problem["type"] == "missing":
        field = _section(names[:-1], root).model_fields[names[-1]]
        return f"{dotted} is missing; say what it is, such as {_example(field.annotation)}"
    if problem["type"] in ("model_type", "model_attributes_type"):
        keys = ", ".join(_section(names, root).model_fields)
        return f"{dotted} is {_shown(problem['input'])}; it should be a section with keys out of {keys}"
    said = problem["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
    given = problem["input"]
    if isinstance(given, dict) and problem["type"] == "value_error":
        # Keys inside it are wrong, or do not fit together: what was said names them.
        return f"{dotted}: {said}"
    near = nearest(str(given), [str(v) for v in _allowed(problem)])
    return f"{dotted} is {_shown(given)}; {said}" + (f" (did you mean {near!r}?)" if near else "")


def _advice(names: list[str], root: type[Part]) -> str:
    """The nearest key of the same section, else the same or a near key elsewhere, else the keys there are."""
    section = _section(names[:-1], root)
    near = nearest(names[-1], list(section.model_fields))
    if near:
        return f"did you mean {'.'.join([*names[:-1], near])!r}?"
    everywhere = {key.rpartition(".")[2]: key for key in _all_keys(root, "")}
    near = nearest(names[-1], list(everywhere))
    if near:
        return f"did you mean {everywhere[near]!r}?"
    where = ".".join(names[:-1]) or "the top level"
    return f"{where} has the keys {', '.join(section.model_fields)}"


def _section(names: list[str], root: type[Part]) -> type[Part]:
    """The section that a dotted path leads to, as far as it leads to one; in a list or a table of sections, one."""
    section, many = root, False
    for name in names:
        if many:
            many = False
            continue
        inner = _inner(section, name)
        if inner is None:
            break
        section, many = inner
    return section


def _inner(section: type[Part], name: str) -> tuple[type[Part], bool] | None:
    """The section under a key, and whether there are many of it."""
    field = section.model_fields.get(name)
    if field is None:
        return None
    if isinstance(field.annotation, type) and issubclass(field.annotation, Part):
        return field.annotation, False
    listed = [kind for kind in get_args(field.annotation) if isinstance(kind, type) and issubclass(kind, Part)]
    return (listed[0], True) if listed else None


def _all_keys(section: type[Part], prefix: str) -> Iterator[str]:
    for name in section.model_fields:
        yield prefix + name
        inner = _inner(section, name)
        if inner is not None and not inner[1]:
            yield from _all_keys(inner[0], f"{prefix}{name}.")


def _allowed(problem: Any) -> list[str]:
    if problem["type"] != "literal_error":
        return []
    expected = str(problem["ctx"]["expected"]).replace(" or ", ", ")
    return [word.strip().strip("'") for word in expected.split(",")]


def _example(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(repr(option) for option in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return "{" + ", ".join(f"{name}: ..." for name in annotation.model_fields if name == "name") + "}"
    return "a word" if annotation is str else "a section"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that `word` was probably meant to be, or None."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else None
