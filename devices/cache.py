"""Where this machine's measurements are kept: one device profile per state of the machine, in the user's cache folder.

Writing is read-merge-replace under a lock, so that processes lose nothing of each other's; the file is replaced
atomically, so that one killed in the middle leaves the old one. A damaged file is set aside and measured anew; a folder
that cannot be read or written keeps measurements for as long as this object lives, and `note` says so.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from .energy import EnergyUse
from .errors import PliantError
from .fingerprint import Fingerprint
from .locking import LOCKS, locked
from .measure import Measurement
from .profile import DeviceProfile, MemoryUse, parse_profile, read_profile
from .repeats import Repeat
from .writing import leftovers, write_atomically


def cache_folder() -> Path:
    """`$PLIANT_CACHE`, else `pliant` in the user's cache folder (`$XDG_CACHE_HOME` or ~/.cache)."""
    named = os.environ.get("PLIANT_CACHE")
    if named:
        return _expanded(named)
    base = os.environ.get("XDG_CACHE_HOME")
    if base and Path(base).is_absolute():
        return Path(base) / "pliant"
    try:
        return Path.home() / ".cache" / "pliant"
    except RuntimeError:  # no home at all, as in some containers
        import tempfile

        return Path(tempfile.gettempdir()) / f"pliant-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def private_folder(folder: Path) -> Path:
    """The folder, made where it is not, which nobody else can write to: for what is trusted because it lies there.

    Raises PliantError where others can, or where it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
    except OSError as error:
        raise PliantError(f"{folder} cannot be made: {error.strerror}; PLIANT_CACHE names another cache") from error
    if hasattr(os, "geteuid") and (found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid != os.geteuid()):
        raise PliantError(
            f"others can write to {folder}, and what lies there is trusted: chmod go-w it, or name another cache by "
            "PLIANT_CACHE"
        )
    return folder


_Change = Callable[[DeviceProfile], DeviceProfile]


class MeasurementCache:
    """Measurements kept in a folder (by default `cache_folder()`).

    `note` is empty, or one line that the user should see: measurements not kept, or a file set aside.
    """

    def __init__(self, folder: str | Path | None = None):
        self.folder = _expanded(folder) if folder is not None else cache_folder()
        self.note = ""
        # What could not be written, by the state of the machine; done to whatever the file holds whenever it is read.
        self._pending: dict[str, list[_Change]] = {}

    def path(self, fingerprint: Fingerprint) -> Path:
        """The file of one state of the machine."""
        return self.folder / "measurements" / f"{fingerprint.digest[:16]}.json"

    def profile(self, fingerprint: Fingerprint) -> DeviceProfile:
        """What is known of this state of the machine; an empty profile when nothing is."""
        try:
            kept = self._read(self.path(fingerprint), fingerprint)
        except OSError as error:
            self._not_kept(error)
            kept = DeviceProfile(fingerprint)
        return _changed(kept, self._pending.get(fingerprint.digest, ()))

    def others(self, fingerprint: Fingerprint) -> Iterator[DeviceProfile]:
        """Readable profiles of other states or machines that are kept here: what is in them is stale now."""
        try:
            paths = sorted(self.path(fingerprint).parent.glob("*.json"))
        except OSError:
            return
        for path in paths:
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
        energy: Mapping[str, EnergyUse] | None = None,
        repeats: Sequence[Repeat] = (),
        conditions: Mapping[str, str] | None = None,
    ) -> DeviceProfile:
        """Keep new entries (by `Key.text`) and return everything that is known now."""
        new = DeviceProfile(
            fingerprint, conditions or {}, latency or {}, memory or {}, energy=energy or {}, repeats=tuple(repeats)
        )
        return self._change(fingerprint, lambda kept: kept.merged(new))

    def forget(self, fingerprint: Fingerprint, latency: Iterable[str], repeats: Iterable[Repeat] = ()) -> DeviceProfile:
        """Drop the latency of these keys, which holds no longer, and some repeats; return what is known without."""
        keys, dropped = frozenset(latency), frozenset(repeats)
        return self._change(fingerprint, lambda kept: kept.without(keys, dropped))

    def _change(self, fingerprint: Fingerprint, change: _Change) -> DeviceProfile:
        path = self.path(fingerprint)
        pending = self._pending.setdefault(fingerprint.digest, [])
        pending.append(change)
        try:
            _check_home(self.folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.with_suffix(".lock")):
                _sweep(path)
                changed = _changed(self._read(path, fingerprint), pending)
                write_atomically(path, json.dumps(changed.to_json(), indent=1, allow_nan=False))
        except OSError as error:
            self._not_kept(error)
            return self.profile(fingerprint)
        pending.clear()
        return changed

    def _not_kept(self, error: OSError) -> None:
        self.note = (
            f"measurements are not kept: {error.strerror or error} ({self.folder}); "
            "set PLIANT_CACHE to a folder that can be read and written"
        )

    def _read(self, path: Path, fingerprint: Fingerprint) -> DeviceProfile:
        """What is kept; OSError where that cannot be read, which may be somebody else's and is left as it is."""
        _check_home(self.folder)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return DeviceProfile(fingerprint)
        try:
            profile = parse_profile(data, path)
            if not profile.stale(fingerprint):
                return profile
            problem = "it belongs to another state of the machine"
        except PliantError as error:
            problem = str(error)
        with contextlib.suppress(OSError):
            os.replace(path, path.with_suffix(".damaged"))
        self.note = f"measurements are taken anew, the kept ones could not be used: {problem}"
        return DeviceProfile(fingerprint)


def _changed(profile: DeviceProfile, changes: Iterable[_Change]) -> DeviceProfile:
    for change in changes:
        profile = change(profile)
    return profile


def problem_of(folder: Path) -> str:
    """Why measurements cannot be kept in a folder, which need not be there yet; empty where they can."""
    import tempfile

    try:
        _check_home(folder)
        existing = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
        # Asking is not enough: root may write anywhere that is not mounted read-only.
        with tempfile.TemporaryFile(dir=existing):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _expanded(folder: str | Path) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:  # the home of nobody: refused where it is used
        return Path(folder)


def _check_home(folder: Path) -> None:
    # A relative folder called like that is never meant.
    if folder.parts and folder.parts[0].startswith("~"):
        raise OSError(errno.ENOENT, f"there is no home folder {folder.parts[0]}")


def _sweep(path: Path) -> None:
    """Remove what writers of a file left that were killed; only while it is locked, so that nobody is writing."""
    if LOCKS:
        for left in leftovers(path):
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Without locks (Windows) replacing is atomic too, only merging is not guarded.
    with open(path, "a", encoding="utf-8") as file, locked(file):
        yield
