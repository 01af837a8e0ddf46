"""The way in: a suite by its path or its address."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .suite import Suite

if TYPE_CHECKING:
    from ..devices.measure import Progress


def open_suite(
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
) -> Suite:
    """Open a suite: header and manifest only, no weights touched and no engine imported. Raises SuiteError.

    `path` may be an address, `https://…` or `hf://owner/repo/file.pliant`: fetched once, checked and kept (`remote`);
    `progress` is told (what, bytes done, bytes in all). `sha256` is what the digest of the whole file must be.
    """
    if is_address(path):
        from .remote import fetch, pinned

        address, sha256 = pinned(str(path), sha256)
        path = fetch(address, sha256, progress)
    suite = Suite(path)
    if sha256 is not None:
        from .remote import check_digest

        try:
            check_digest(suite.container, sha256)
        except BaseException:
            suite.close()
            raise
    return suite


def is_address(place: object) -> bool:
    """Whether a place is an address rather than a path."""
    return isinstance(place, str) and "://" in place
