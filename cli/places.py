"""Where results go: a place that cannot be written is found out before the work, not after it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices.errors import InputError
from ..devices.writing import file_in_place_of
from .progress import progress_bar

if TYPE_CHECKING:
    from ..runtime.suite import Suite


def check_file(out: Path, *, reads: Sequence[Path | None] = (), beside: Sequence[Path] = ()) -> None:
    """Make the folder of `out`, a file to be, and try to write there; InputError where that cannot be.

    Neither `out` nor the files that are written `beside` it may be one of those that the verb `reads`.
    """
    for written in (out, *beside):
        check_other(written, reads)
    if out.is_dir():
        raise InputError(f"{str(out)!r} is a folder: --out names a file, as in {out / 'NAME'}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Asking for permissions is not enough: root has them on a read-only disk too.
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=".writing-"):
            pass
    except OSError as error:
        file = file_in_place_of(out.parent)
        why = f"{file} is a file, not a folder" if file else error.strerror
        raise InputError(f"{out} cannot be written: {why}; choose another --out") from error


@contextmanager
def suite_at(place: str | Path) -> Iterator[Suite]:
    """An open suite, wherever it lies; what is fetched first shows how far it is."""
    from ..runtime.opening import is_address, open_suite

    if not is_address(place):
        with open_suite(place) as suite:
            yield suite
        return
    with progress_bar() as report:
        suite = open_suite(place, progress=report)
    with suite:
        yield suite


def check_other(written: Path, reads: Sequence[Path | None]) -> None:
    """InputError where writing a file would replace one that is read."""
    for read in reads:
        with suppress(OSError):  # what is not there is not replaced
            if read is not None and written.samefile(read):
                raise InputError(f"{written} would replace {read}, which this reads: choose another --out")
