"""Where this machine's measurements are kept: one device profile per state of the machine, in the user's cache folder.

Writing is read-merge-replace under a lock, so that processes lose nothing of each other's; the file is replaced
atomically, so that one killed in the middle leaves the old one. A damaged file is set aside and measured anew; a folder
that cannot be written keeps measurements for as long as this object lives, and `note` says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import PliantError
from .fingerprint import Fingerprint
from .measure import Measurement
from .profile import DeviceProfile, MemoryUse, read_profile

try:
    import fcntl
except ImportError:  # Windows: replacing is atomic there too, only merging is not guarded
    fcntl = None  # type: ignore[assignment]


def cache_folder() -> Path:
    """`$PLIANT_CACHE`, else `pliant` in the user's cache folder (`$XDG_CACHE_HOME` or ~/.cache)."""
    named = os.environ.get("PLIANT_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "pliant"
    try:
        return Path.home() / ".cache" / "pliant"
    except RuntimeError:  # no home at all, as in some containers
        return Path(tempfile.gettempdir()) / f"pliant-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


class MeasurementCache:
    """Measurements kept in a folder (by default `cache_folder()`).

    `note` is empty, or one line that the user should see: measurements not kept, or a file set aside.
    """

    def __init__(self, folder: str | Path | None = None):
        self.folder = Path(folder).expanduser() if folder is not None else cache_folder()
        self.note = ""
        self._memory: dict[str, DeviceProfile] = {}

    def path(self, fingerprint: Fingerprint) -> Path:
        """The file of one state of the machine."""
        return self.folder / "measurements" / f"{fingerprint.digest[:16]}.json"

    def profile(self, fingerprint: Fingerprint) -> DeviceProfile:
        """What is known of this state of the machine; an empty profile when nothing is."""
        kept = self._read(self.path(fingerprint), fingerprint)
        ours = self._memory.get(fingerprint.digest)
        return kept.merged(ours) if ours else kept

    def others(self, fingerprint: Fingerprint) -> Iterator[DeviceProfile]:
        """Readable profiles of other states or machines that are kept here: what is in them is stale now."""
        for path in sorted(self.path(fingerprint).parent.glob("*.json")):
            with contextlib.suppress(PliantError):
                profile = read_profile(path)
                if profile.stale(fingerprint):
                    yield profile

    def add(
        self,
        fingerprint: Fingerprint,
        *,
        latency: Mapping[str, Measurement] | None = None,
        memory: Mapping[str, MemoryUse] | None = None,
        conditions: Mapping[str, str] | None = None,
    ) -> DeviceProfile:
        """Keep new entries (by `Key.text`) and return everything that is known now."""
        new = DeviceProfile(fingerprint, conditions or {}, latency or {}, memory or {})
        path = self.path(fingerprint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.with_suffix(".lock")):
                merged = self._read(path, fingerprint).merged(new)
                write_atomically(path, json.dumps(merged.to_json(), indent=1, allow_nan=False))
        except OSError as error:
            self.note = (
                f"measurements are not kept: {error.strerror or error} ({self.folder}); "
                "set PLIANT_CACHE to a folder that can be written"
            )
            ours = self._memory.get(fingerprint.digest)
            self._memory[fingerprint.digest] = ours.merged(new) if ours else new
            return self.profile(fingerprint)
        return merged

    def _read(self, path: Path, fingerprint: Fingerprint) -> DeviceProfile:
        if not path.exists():
            return DeviceProfile(fingerprint)
        try:
            profile = read_profile(path)
            if not profile.stale(fingerprint):
                return profile
            problem = "it belongs to another state of the machine"
        except PliantError as error:
            problem = str(error)
        with contextlib.suppress(OSError):
            os.replace(path, path.with_suffix(".damaged"))
        self.note = f"measurements are taken anew, the kept ones could not be used: {problem}"
        return DeviceProfile(fingerprint)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader, or a process killed in the middle, sees either the old text or the new."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(path, "a", encoding="utf-8") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, also by a kill
        yield
