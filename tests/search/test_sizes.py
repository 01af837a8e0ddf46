from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pliant.devices.dialect import get_dialect
from pliant.export.forms import Forms
from pliant.models.cost import CostModel
from pliant.quantize.policy import Policy
from pliant.runtime.format.tasks import Task
from pliant.search.parts import PartCosts
from pliant.search.sizes import PrecisionCosts
from pliant.search.timing import _statistics_at_hand

from ..models.making import DENSE, LABELS, make_supernet

POLICIES = {"int8": Policy(), "mixed": Policy("mixed", (("encoder.*", "fp32"),))}


@pytest.mark.parametrize(("name", "tasks"), [("resnet10", DENSE[1:3]), ("resnet20-cifar", LABELS)])
def test_bytes_are_those_of_the_arrays_that_a_suite_holds(name: str, tasks: tuple[Task, ...]) -> None:
    supernet = make_supernet(name, tasks)
    forms = Forms(supernet, POLICIES, get_dialect("onnxruntime"))
    costs, space, rng = PrecisionCosts(supernet, forms.lowered), supernet.space, random.Random(0)
    parts = PartCosts(space, costs)
    for config in (space.narrowest, space.sample(rng)):
        fp32 = forms.fp32(config, _statistics_at_hand(supernet, config))
        for precision in ("fp32", *POLICIES):
            named = replace(config, precision=precision)
            arrays = forms.of(named, fp32, forms.unmeasured()).arrays
            found = costs(named)
            assert found.bytes == sum(array.nbytes for array in arrays.values()), precision
            for task, part in found.decoders.items():
                mine = [a.nbytes for key, a in arrays.items() if f"decoders.{task}" in key]
                assert part.bytes == sum(mine)
            assert found.macs == CostModel(supernet)(config).macs
            assert parts(named) == found.total
        assert costs(replace(config, precision="int8")).bytes < costs(replace(config, precision="mixed")).bytes
