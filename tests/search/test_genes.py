from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pliant.models.space import SearchSpace
from pliant.search.genes import Coding

SPACE = SearchSpace(3, ("depth", "normals"), (0.25, 0.5, 1.0), (0.5, 1.0), multiple=4)


@given(st.data(), st.sampled_from([("fp32",), ("fp32", "int8"), ("fp32", "int8", "mixed")]))
def test_genes_are_a_subnet_and_back(data: st.DataObject, precisions: tuple[str, ...]) -> None:
    coding = Coding(SPACE, precisions)
    genes = tuple(data.draw(st.integers(0, level - 1)) for level in coding.levels)
    config = coding.config(genes)
    assert config in SPACE
    assert config.precision in precisions
    assert coding.genes(config) == genes


def test_a_predictor_is_told_the_precision_where_there_are_several() -> None:
    coding = Coding(SPACE, ("fp32", "int8", "mixed"))
    widest = SPACE.widest
    assert coding.features(widest) == (1.0,) * 5 + (0.0, 0.0)
    last = coding.config((*coding.genes(widest)[:-1], 2))
    assert coding.features(last) == (1.0,) * 5 + (0.0, 1.0)
    assert Coding(SPACE, ("fp32",)).features(widest) == (1.0,) * 5
