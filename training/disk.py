"""The folder that a training writes into: tried before hours of training, and every later fault as one line.

A full disk shows in many ways: an OSError of Python's, another library's own error, a limit on file sizes. `writing`
makes one CheckpointError of each, which says what to do; what was in the folder before stays.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from ..devices.errors import CheckpointError
from ..devices.locking import locked_folder
from ..devices.writing import why_no_folder

# File systems that cannot reserve space say so in one of these ways; then only the first write can tell.
_CANNOT_RESERVE = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV}


@contextmanager
def writing(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Turn a fault while `path` is written into CheckpointError, and remove `partial`, what was half-written for it."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if partial is not None and partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        elif partial is not None:
            _forget(partial)
        reason = _reason(error)
        raise CheckpointError(
            f"cannot write {path}: {reason}; what was there is kept: mend that, then go on with --resume"
        ) from error


def missing_folders(out: Path) -> list[Path]:
    """OUT and the folders above it, as far as they are not there, the innermost first."""
    return [each for each in (out, *out.parents) if not each.exists()]


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders up to the first in which something is."""
    with suppress(OSError):
        for each in folders:
            each.rmdir()


def check_writable(out: Path) -> None:
    """Make OUT and try to write into it, before hours of training; CheckpointError where it cannot be."""
    folder = out
    try:
        out.mkdir(parents=True, exist_ok=True)
        _probe(out, 1)
        folder = out / "checkpoints"
        if folder.exists() or folder.is_symlink():
            _probe(folder, 1)
    except OSError as error:
        why = why_no_folder(folder, error)
        raise CheckpointError(f"cannot write into {folder}: {why}; choose another folder with --out") from error


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Train into OUT as the only one; CheckpointError where another training does, which may be about to end."""
    with locked_folder(out) as mine:
        if not mine:
            raise CheckpointError(
                f"another training is writing into {out}: wait for its end, or choose another folder with --out"
            )
        yield


def check_room(out: Path, checkpoints: int, largest: int, size: int) -> None:
    """Refuse, before training, a folder without room for `checkpoints` of `size` bytes with a file of `largest` bytes.

    The file is reserved and given back, because quotas and limits on file sizes do not show in the free space.
    """
    folder = out / "checkpoints"
    folder = folder if folder.exists() else out  # it may be a link to another disk
    needed, free = checkpoints * size, shutil.disk_usage(folder).free
    if needed > free:
        raise CheckpointError(
            f"{out} has {free / 1e6:.1f} MB free, and the checkpoints of this training need {needed / 1e6:.1f} MB: "
            "free some, or choose another folder with --out"
        )
    try:
        if checkpoints:
            _probe(folder, largest)
    except OSError as error:
        if error.errno not in _CANNOT_RESERVE:
            raise CheckpointError(
                f"cannot write {largest / 1e6:.1f} MB, the largest file of a checkpoint, into {out}: {error.strerror}; "
                "raise that limit, or choose another folder with --out"
            ) from error


def _probe(folder: Path, size: int) -> None:
    """Write a file of `size` bytes, reserved rather than written where that works, and remove it again."""
    path = folder / f".writing-probe-{os.getpid()}"
    try:
        with path.open("wb") as file:
            file.write(b"p")
            file.flush()
            if size > 1 and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
    finally:
        _forget(path)


def _forget(path: Path) -> None:
    """Remove a half-written file, if it is there and can be; the fault that is being reported matters more."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _reason(error: OSError | SafetensorError) -> str:
    """`No space left on device`, by whichever library it was met: safetensors only writes the number."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    number = re.search(r"os error (\d+)", str(error))
    return os.strerror(int(number[1])) if number else " ".join(str(error).split())


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Have the operating system write a file or a folder's entries to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(folder: Path) -> None:
    """Take a folder away under its name at once, then delete it."""
    away = folder.with_name(f".removing-{folder.name}-{os.getpid()}")
    folder.rename(away)
    shutil.rmtree(away)
