"""A safetensors file read at offsets, never mapped: a file cut short or overwritten is an error, not a bus error.

A file that another replaces by rename stays readable, as it was, until it is closed. A file changed in place is
told by its size and time; what is read from it then is a SuiteError.
"""

from __future__ import annotations

import math
import os
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...devices.errors import SuiteError
from ..forking import renew_in_children
from .header import Entry, Header, header_size, parse_header
from .ranges import WORTH_SKIPPING, Ranges, near, select

Empty = Callable[[tuple[int, ...], np.dtype[Any]], np.ndarray[Any, Any]]
"""From shape and type to an array that is not filled."""

_CHUNK = 1 << 20
_AT_ONCE = 4 << 20


class Container:
    """An open safetensors file, closed when nobody holds it. Reads are thread safe and may go on while it is closed."""

    def __init__(self, path: str | os.PathLike[str]):
        try:
            self.path = Path(path)
        except TypeError:
            raise SuiteError(f"a suite is opened by its path, not by a {type(path).__name__}") from None
        self._fd = _open(self.path)
        self._shut = weakref.finalize(self, os.close, self._fd)  # once, whoever asks; at the latest when it is dropped
        self._shut.atexit = False  # another thread may be reading still
        self._lock = threading.RLock()  # signal handlers close suites too, in the midst of a read
        self._readers = 0
        self._closed = False
        try:
            self._stamp = self._stat()
            self.size = self._stamp[0]
            header = self._header()
        except BaseException:
            self._shut()
            raise
        self.entries, self.metadata = header.entries, header.metadata
        renew_in_children(self)

    def _after_fork(self) -> None:
        """Whoever held the lock, or was reading, is not in this process."""
        self._lock, self._readers = threading.RLock(), 0

    def entry(self, name: str) -> Entry:
        """Where the tensor lies; SuiteError when there is none."""
        try:
            return self.entries[name]
        except KeyError:
            raise SuiteError(f"{self.path} has no tensor {name!r}, which its manifest names") from None

    def read(self, name: str, ranges: Ranges = (), empty: Empty = np.empty) -> np.ndarray[Any, Any]:
        """A tensor, or the part of it that `ranges` names: per axis a list of [start, stop), whole axes omitted.

        Returns a contiguous array of its own, made by `empty`. Rows outside the ranges of axis 0 are not read.
        """
        entry = self.entry(name)
        if not ranges or not entry.shape:
            with self._reading():
                return self._fill(empty(entry.shape, entry.dtype), entry.start)
        with self._reading():
            return self._read_rows(entry, ranges, empty)

    def read_bytes(self, name: str, limit: int) -> bytes:
        """The bytes of a tensor that has at most `limit` of them."""
        entry = self.entry(name)
        if entry.stop - entry.start > limit:
            raise SuiteError(f"tensor {name!r} of {self.path} has {entry.stop - entry.start} bytes, over {limit}")
        with self._reading():
            return self._fill(np.empty(entry.stop - entry.start, np.uint8), entry.start).tobytes()

    def chunks(self, name: str) -> Iterator[memoryview]:
        """The bytes of a tensor piece by piece, for digests."""
        entry = self.entry(name)
        return self._pieces(entry.start, entry.stop)

    def all_bytes(self) -> Iterator[memoryview]:
        """The whole file piece by piece, for a digest of it."""
        return self._pieces(0, self.size)

    def check_unchanged(self) -> None:
        """Raise SuiteError when the file is no longer the one that was opened."""
        with self._reading():
            if self._stat() != self._stamp:
                raise SuiteError(f"{self.path} was changed while it was open: open it again")

    @contextmanager
    def lent(self) -> Iterator[tuple[Path, int]]:
        """A path at which a child process that inherits the descriptor, given too, finds this very file.

        Whatever was renamed onto its path meanwhile, or wherever this process has gone. SuiteError where the file
        itself was changed, before or meanwhile.
        """
        with self._reading():
            self.check_unchanged()
            folder = next(path for path in (Path("/proc/self/fd"), Path("/dev/fd")) if path.is_dir())
            yield folder / str(self._fd), self._fd
            self.check_unchanged()

    def close(self) -> None:
        """Close the file, at the end of the last read in flight. Final; closing twice is fine."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def _pieces(self, start: int, stop: int) -> Iterator[memoryview]:
        for at in range(start, stop, _CHUNK):
            with self._reading():
                piece = self._fill(np.empty(min(_CHUNK, stop - at), np.uint8), at)
            yield piece.data

    @contextmanager
    def _reading(self) -> Iterator[None]:
        # A descriptor closed under a reader could already belong to another file. Counted first: whoever closes from
        # here on leaves it open.
        with self._lock:
            self._readers += 1
        try:
            if self._closed:
                raise SuiteError(f"{self.path} is closed: open it again")
            yield
        finally:
            with self._lock:
                self._readers -= 1
                self._release()

    def _release(self) -> None:
        if self._closed and self._readers == 0:
            self._shut()

    def _stat(self) -> tuple[int, int, int]:
        now = os.fstat(self._fd)
        return now.st_size, now.st_mtime_ns, now.st_ino

    def _header(self) -> Header:
        what = str(self.path)
        first = self._fill(np.empty(min(8, self.size), np.uint8), 0).tobytes()
        size = header_size(first, self.size, what)
        return parse_header(self._fill(np.empty(size, np.uint8), 8).tobytes(), self.size, what)

    def _fill(self, out: np.ndarray[Any, Any], offset: int) -> np.ndarray[Any, Any]:
        """Read `out` full from `offset`, straight into its memory."""
        if out.nbytes == 0:
            return out
        target = out.reshape(-1).view(np.uint8).data
        done = 0
        while done < len(target):
            try:
                count = os.preadv(self._fd, [target[done:]], offset + done)
            except OSError as error:
                raise SuiteError(f"{self.path} cannot be read: {error.strerror}") from None
            if count == 0:
                raise SuiteError(f"{self.path} was truncated while it was open: open it again")
            done += count
        return out

    def _fill_rows(self, block: np.ndarray[Any, Any], offset: int, apart: int) -> None:
        """Read rows that lie `apart` bytes from one another; a narrow subnet has thousands, of a kilobyte each."""
        rows = block.reshape(-1).view(np.uint8).data
        size = len(rows) // len(block)
        read, fd = os.preadv, self._fd
        for row in range(len(block)):
            place = offset + row * apart
            try:
                whole = read(fd, (rows[row * size : (row + 1) * size],), place) == size
            except OSError:
                whole = False
            if not whole:  # says why, or reads the rest
                self._fill(block[row], place)

    def _read_rows(self, entry: Entry, ranges: Ranges, empty: Empty) -> np.ndarray[Any, Any]:
        """Some rows at a time, straight into the result: what is skipped is not held beside it."""
        row_bytes = math.prod(entry.shape[1:]) * entry.dtype.itemsize
        cut = tuple(sum(stop - start for start, stop in axis) for axis in ranges)
        out = empty((*cut, *entry.shape[len(cut) :]), entry.dtype)
        at_once, done = max(1, _AT_ONCE // max(1, row_bytes)), 0
        for start, stop in ranges[0]:
            for first in range(start, stop, at_once):
                last = min(first + at_once, stop)
                part = out[done : done + last - first]
                done += last - first
                if len(ranges) == 1:
                    self._fill(part, entry.start + first * row_bytes)
                else:
                    self._cut_rows(part, entry, first, row_bytes, ranges)
        return out

    def _cut_rows(self, part: np.ndarray[Any, Any], entry: Entry, first: int, row_bytes: int, ranges: Ranges) -> None:
        """Fill `part` with rows from `first` on, cut on the other axes."""
        at, inner, rest = entry.start + first * row_bytes, math.prod(entry.shape[2:]) * entry.dtype.itemsize, ranges[2:]
        groups = near(ranges[1], inner)
        low, high = groups[0][0][0], groups[-1][-1][1]
        if len(groups) == 1 and row_bytes - (high - low) * inner < WORTH_SKIPPING:
            block = np.empty((len(part), *entry.shape[1:]), entry.dtype)
            end = block.nbytes - row_bytes + high * inner
            self._fill(block.reshape(-1).view(np.uint8)[low * inner : end], at + low * inner)
            part[...] = select(block, ranges[1:], shift=0)
            return
        if part.shape[1:] == (high - low, *entry.shape[2:]):  # one range, of the channels: as in nearly every layer
            self._fill_rows(part, at + low * inner, row_bytes)
            return
        done = 0
        for group in groups:
            low, high = group[0][0], group[-1][1]
            block = np.empty((len(part), high - low, *entry.shape[2:]), entry.dtype)
            self._fill_rows(block, at + low * inner, row_bytes)
            cut = select(block, [group, *rest], shift=low)
            part[:, done : done + cut.shape[1]] = cut
            done += cut.shape[1]


def _open(path: Path) -> int:
    try:
        # Not blocking: a named pipe in place of a file must not hang.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SuiteError(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise SuiteError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise SuiteError(f"{path} is not a file")
    return fd
