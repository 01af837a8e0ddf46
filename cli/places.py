"""Where results go: a place that cannot be written is found out before the work, not after it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..devices.errors import InputError


def check_file(out: Path, *, make: bool = False) -> None:
    """Try to write beside `out`, a file to be; InputError where that cannot be. `make` makes its folder."""
    if out.is_dir():
        raise InputError(f"{str(out)!r} is a folder: --out names a file, as in {out / 'NAME'}")
    try:
        if make:
            out.parent.mkdir(parents=True, exist_ok=True)
        # Asking for permissions is not enough: root has them on a read-only disk too.
        with tempfile.NamedTemporaryFile(dir=out.parent, prefix=".writing-"):
            pass
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}; choose another --out") from error
