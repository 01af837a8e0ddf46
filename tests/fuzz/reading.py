"""All that a reader does with a suite: open, plan, and of every subnet graph, record, arrays; then the engine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pliant
from pliant.runtime.format.digests import check_file
from pliant.runtime.format.signing import signer
from pliant.runtime.format.weights import read_arrays
from pliant.runtime.graphs.folding import fold_batch_norms
from pliant.runtime.interface import check_interface
from pliant.runtime.session import load_subnet
from pliant.runtime.witnessing import read_witnesses

SPARE = 64 << 20
"""Bytes of memory that a reading may take beside twice its file: what JSON of the greatest allowed size becomes."""
_SUBNETS = 2
REFUSALS = (pliant.SuiteError, pliant.BudgetError)


def read_all(path: Path, *, engine: bool = False) -> int:
    """Read the first subnets as far as an engine, or run them there; how many there were. Raises what readers do."""
    with pliant.open_suite(path) as suite:
        suite.plan(macs=10**9)
        signer(suite)
        with suppress(*REFUSALS):  # what is damaged here is not read below
            check_file(suite)
        chosen = suite.subnets[:_SUBNETS]
        for subnet in chosen:
            for target in subnet.graphs:
                graph, record = suite.graph(subnet, target), suite.record(subnet)
                check_interface(suite, graph)
                read_witnesses(suite, record, tuple(suite.tasks))
                suite.witness_input()
                cut = graph.pruned(list(suite.tasks))
                arrays = read_arrays(suite.container, record, cut, subnet.id)
                folded, _ = fold_batch_norms(cut, arrays)
                folded.to_bytes()
            if engine:
                load_subnet(suite, subnet, threads=1)
        return len(chosen)
