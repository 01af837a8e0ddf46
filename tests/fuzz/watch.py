"""Memory of this process while something is done: the highest resident size that Linux saw since."""

from __future__ import annotations

import re
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESIDENT = re.compile(rb"VmRSS:\s+(\d+) kB")
_HIGHEST = re.compile(rb"VmHWM:\s+(\d+) kB")


class Peak:
    """From when it is made on. Where the system does not tell, nothing grows."""

    def __init__(self) -> None:
        self._told = True
        try:
            _RESET.write_bytes(b"5")
        except OSError:
            self._told = False
        self._before = self._read(_RESIDENT)

    def grown(self) -> int:
        """Bytes above what was resident at first, at the highest."""
        return max(0, self._read(_HIGHEST) - self._before)

    def _read(self, line: re.Pattern[bytes]) -> int:
        found = line.search(_STATUS.read_bytes()) if self._told else None
        return int(found[1]) * 1024 if found else 0
