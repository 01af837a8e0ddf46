"""What TensorRT measured of its kernels, kept from build to build: the second subnet is built in a part of the time.

Only its builder can say whether the file suits this GPU and version. It is a convenience: one that cannot be read,
suits nothing or cannot be written is left out, and the build takes as long as without. TensorRT for RTX has none: it
chooses kernels where it runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from ...devices.cache import private_folder
from ...devices.writing import beside, onto_disk
from .bindings import Bindings


class TimingCache:
    """A file of measured kernels for one version of TensorRT, one driver and GPU."""

    def __init__(self, folder: Path, bindings: Bindings):
        what = f"{bindings.engine}\0{bindings.version}\0{bindings.driver}"
        self.path = folder / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.timing"

    def lend(self, config: Any) -> Any:
        """Give a builder's `config` what is known; what it will know after the build is in the result."""
        known = b""
        with contextlib.suppress(OSError):
            private_folder(self.path.parent)
            known = self.path.read_bytes()
        found = config.create_timing_cache(known)
        if found is None or not config.set_timing_cache(found, False):
            found = config.create_timing_cache(b"")
            config.set_timing_cache(found, False)
        return found

    def keep(self, found: Any) -> None:
        """Write what a build has found."""
        with contextlib.suppress(OSError), beside(self.path) as file:
            file.write(bytes(memoryview(found.serialize())))
            onto_disk(file)
            os.replace(file.name, self.path)
