"""Digests of a suite's tensors: what the suite states, and whether it is so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...devices.errors import SuiteError

if TYPE_CHECKING:
    from .record import Record
    from .suite_file import SuiteFile


def stated_digest(suite: SuiteFile, name: str) -> str:
    """What the suite's own list, itself checked, says of a tensor; SuiteError where it says nothing."""
    digest = suite.digests().get(name)
    if digest is None:
        raise SuiteError(f"{suite.path} is damaged: {name[:100]!r} is not in its list of digests")
    return digest


def check_tensor(suite: SuiteFile, name: str) -> None:
    """Raise SuiteError where a tensor is not what was written."""
    digest = hashlib.sha256()
    for chunk in suite.container.chunks(name):
        digest.update(chunk)
    if digest.hexdigest() != stated_digest(suite, name):
        raise SuiteError(f"{suite.path} is damaged: the digest of {name!r} is wrong")


def check_weights(suite: SuiteFile, record: Record, initializers: Iterable[str]) -> None:
    """Raise SuiteError where a stored tensor that one of these initializers is a view of is not what was written."""
    for name in sorted({record.views[each].tensor for each in initializers if each in record.views}):
        check_tensor(suite, name)


def check_file(suite: SuiteFile) -> int:
    """How many tensors there are, each with its digest; SuiteError where one is not what was written."""
    digests = suite.digests()
    described = {name for name in suite.container.entries if name != "digests"}
    if digests.keys() != described:
        odd = min(digests.keys() ^ described)
        raise SuiteError(f"{suite.path} is damaged: {odd[:100]!r} is not both stored and in the list of digests")
    for name in digests:
        check_tensor(suite, name)
    suite.container.check_unchanged()
    return len(digests)
