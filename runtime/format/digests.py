"""Digests of a suite's tensors: what the suite states, and whether it is so."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ...devices.errors import SuiteError

if TYPE_CHECKING:
    from ..suite import Suite


def stated_digest(suite: Suite, name: str) -> str:
    """What the suite's own list, itself checked, says of a tensor; SuiteError where it says nothing."""
    digest = suite.digests().get(name)
    if digest is None:
        raise SuiteError(f"{suite.path} is damaged: {name[:100]!r} is not in its list of digests")
    return digest


def check_tensor(suite: Suite, name: str) -> None:
    """Raise SuiteError where a tensor is not what was written."""
    digest = hashlib.sha256()
    for chunk in suite.container.chunks(name):
        digest.update(chunk)
    if digest.hexdigest() != stated_digest(suite, name):
        raise SuiteError(f"{suite.path} is damaged: the digest of {name!r} is wrong")
