from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pliant.devices.dialect import get_dialect
from pliant.export.forms import Forms
from pliant.models.cost import CostModel
from pliant.quantize.assignment import Assignment, even_assignments
from pliant.quantize.policy import Policy
from pliant.runtime.format.tasks import Task
from pliant.search.algorithms.parts import PartCosts
from pliant.search.latency.timing import _statistics_at_hand
from pliant.search.sizes import PrecisionCosts

from ..models.making import DENSE, LABELS, make_supernet

POLICIES = {"int8": Policy(), "mixed": Policy("mixed", (("encoder.*", "fp32"),))}


@pytest.mark.parametrize(("name", "tasks"), [("resnet10", DENSE[1:3]), ("resnet20-cifar", LABELS)])
def test_bytes_are_those_of_the_arrays_that_a_suite_holds(name: str, tasks: tuple[Task, ...]) -> None:
    supernet = make_supernet(name, tasks)
    forms = Forms(supernet, POLICIES, get_dialect("onnxruntime"))
    space, rng = supernet.space, random.Random(0)
    count = len(space.tasks)
    even = [each.precision for each in even_assignments(count, ("fp32", *POLICIES))]
    costs = PrecisionCosts(supernet, {each: forms.lowered(each) for each in even if each != "fp32"})
    parts = PartCosts(space, costs)
    for config in (space.narrowest, space.sample(rng)):
        fp32 = forms.fp32(config, _statistics_at_hand(supernet, config))
        for precision in (*even, Assignment("fp32", ("fp32",) * (count - 1) + ("int8",)).precision):
            named = replace(config, precision=precision)
            arrays = forms.of(named, fp32, forms.unmeasured()).arrays
            total = sum(array.nbytes for array in arrays.values())
            assert parts(named).bytes == total, precision
            if precision not in even:
                continue
            found = costs(named)
            assert found.bytes == total, precision
            for task, part in found.decoders.items():
                # What all pool alike is pooled once, and its range is the encoder's, whatever its name.
                pooled = "decoders.depth/GlobalAveragePool/"
                mine = [a.nbytes for key, a in arrays.items() if f"decoders.{task}" in key and pooled not in key]
                assert part.bytes == sum(mine)
            assert found.macs == CostModel(supernet)(config).macs
            assert parts(named) == found.total
        assert costs(replace(config, precision="int8")).bytes < costs(replace(config, precision="mixed")).bytes
