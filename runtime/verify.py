"""Is the whole file sound, and does every subnet answer its witness here? Results stream, one bad subnet stops none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..devices.errors import SuiteError
from .format.digests import check_file
from .format.manifest import SubnetInfo
from .format.record import Record
from .format.suite_file import SuiteFile
from .format.weights import check_fed
from .interface import check_interface
from .session import load_subnet


@dataclass(frozen=True)
class VerifyResult:
    """What was found of one subnet; or, where `subnet` is None, of the `file` itself or of its `signature`.

    `max_error` is relative to the output's variation (`witness`); None where nothing was run.
    """

    subnet: str | None
    ok: bool
    detail: str
    max_error: float | None = None
    what: str = "subnet"

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return asdict(self)


def verify_suite(
    suite: SuiteFile,
    subnets: Iterable[str] | str | None = None,
    *,
    key: str | os.PathLike[str] | None = None,
    provider: str = "cpu",
    threads: int | None = None,
) -> Iterator[VerifyResult]:
    """Check every tensor's digest, then each subnet (None: all): graphs, views, and its witness by the engine.

    With the public `key` (a PEM file) first whether it signed the suite. Raises EngineUnavailable where nothing can be
    run, BudgetError for an unknown subnet, InputError for what is no key; what is wrong with the file is a result.
    """
    names = (subnets,) if isinstance(subnets, str) else subnets
    chosen = suite.subnets if names is None else tuple(suite.subnet(name) for name in names)
    if key is not None:
        yield _signed(suite, key)
    yield _file(suite)
    for subnet in chosen:
        yield _subnet(suite, subnet, provider, threads)


def _file(suite: SuiteFile) -> VerifyResult:
    try:
        return VerifyResult(None, True, f"{check_file(suite)} tensors have their digests", what="file")
    except SuiteError as error:
        return VerifyResult(None, False, str(error), what="file")


def _signed(suite: SuiteFile, key: str | os.PathLike[str]) -> VerifyResult:
    from .format.signing import check_signature

    try:
        return VerifyResult(None, True, f"by {check_signature(suite, key)}", what="signature")
    except SuiteError as error:
        return VerifyResult(None, False, str(error), what="signature")


def _subnet(suite: SuiteFile, subnet: SubnetInfo, provider: str, threads: int | None) -> VerifyResult:
    try:
        record = suite.record(subnet)
        _check_graphs(suite, subnet, record)
        session = load_subnet(suite, subnet, None, False, provider, threads)
    except SuiteError as error:
        return VerifyResult(subnet.id, False, str(error))
    detail = f"{len(record.views)} views, {len(record.own)} arrays, {len(session.tasks)} tasks"
    return VerifyResult(subnet.id, True, detail, session.witness_error)


def _check_graphs(suite: SuiteFile, subnet: SubnetInfo, record: Record) -> None:
    """Each target's graph is whole and fed, and nothing is stored that none of them uses."""
    spare = record.views.keys() | record.own.keys()
    for target in subnet.graphs:
        graph = suite.graph(subnet, target)
        check_interface(suite, graph)
        check_fed(suite.container, record, graph, f"subnet {subnet.id} of {suite.path}")
        spare -= {item.name for item in graph.external()}
    if spare:
        raise SuiteError(f"subnet {subnet.id} of {suite.path} stores {min(spare)!r}, which its graph does not use")
