from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.models.space import SearchSpace
from pliant.quantize.assignment import MOST_TASKS, Assignment
from pliant.search.algorithms.genes import Coding

SPACE = SearchSpace(3, ("depth", "normals"), (0.25, 0.5, 1.0), (0.5, 1.0), multiple=4)


@given(st.data(), st.sampled_from([("fp32",), ("fp32", "int8"), ("fp32", "int8", "mixed")]))
def test_genes_are_a_subnet_and_back(data: st.DataObject, parts: tuple[str, ...]) -> None:
    coding = Coding(SPACE, parts)
    genes = tuple(data.draw(st.integers(0, level - 1)) for level in coding.levels)
    config = coding.config(genes)
    assigned = Assignment.of(config.precision, 2)
    assert config in SPACE
    assert {assigned.encoder, *assigned.decoders} <= set(parts)
    assert coding.genes(config) == genes


def test_a_predictor_is_told_the_precision_of_each_part_where_there_are_several() -> None:
    coding = Coding(SPACE, ("fp32", "int8", "mixed"))
    widest = SPACE.widest
    assert coding.features(widest) == (1.0,) * 5 + (0.0, 0.0) * 3
    last = coding.config((*coding.genes(widest)[:-1], 2))
    assert last.precision == "fp32-fm"
    assert coding.features(last) == (1.0,) * 5 + (0.0, 0.0) * 2 + (0.0, 1.0)
    assert Coding(SPACE, ("fp32",)).features(widest) == (1.0,) * 5


@pytest.mark.parametrize("tasks", [MOST_TASKS, MOST_TASKS + 1])
def test_of_very_many_tasks_a_subnet_has_one_precision(tasks: int) -> None:
    space = SearchSpace(2, tuple(f"task{number:02d}" for number in range(tasks)))
    coding = Coding(space, ("fp32", "int8"))
    widths, precisions = coding.genes(space.widest)[: 2 + tasks], len(coding.levels) - 2 - tasks
    assert precisions == (1 + tasks if tasks == MOST_TASKS else 1)
    config = coding.config((*widths, *[1] * precisions))
    assert config.precision == "int8"
    assert coding.genes(config) == (*widths, *[1] * precisions)
