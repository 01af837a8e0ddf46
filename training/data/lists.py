"""Lists of samples, the folders that hold them, and how they are parted into splits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ...devices.errors import DataError
from .files import advice, places

_LARGEST_LIST = 64 << 20


def find_folder(names: Sequence[str], holding: str, root: Path | None) -> Path:
    """The folder with `holding` in it: `root` itself or one of `names` in it; without a root, where files are found.

    Raises DataError that names the folder, what must be in it and the places looked at.
    """
    looked = places(root)
    for place in looked:
        for folder in (*(place / name for name in names), place):
            if (folder / holding).exists():
                return folder
    raise DataError(
        f"no folder {names[0]} with {holding} is there: looked in {', '.join(str(place) for place in looked)}; "
        f"{advice(root)} (docs/data.md says where it comes from and how it is laid out)"
    )


def read_names(path: Path, short: Callable[[str], str] = str) -> tuple[str, ...]:
    """The names in a list of samples, one a line, each made `short`; empty lines do not count.

    Raises DataError where the list is missing, is no text, is empty, names something twice, or names a file outside.
    """
    names: dict[str, int] = {}
    for line, text in _lines(path):
        name = short(text)
        _check_name(path, line, name, names)
        names[name] = line
    if not names:
        raise DataError(f"{path} names no sample: write one name a line")
    return tuple(names)


def read_table(path: Path, short: Callable[[str], str] = str) -> dict[int, tuple[str, str]]:
    """(name, label) by line number, of a list with lines `name,label`; `short` and DataError as of `read_names`."""
    found: dict[int, tuple[str, str]] = {}
    names: dict[str, int] = {}
    for line, text in _lines(path):
        name, comma, label = (part.strip() for part in text.rpartition(","))
        if not comma or not name or not label:
            raise DataError(f"{path} line {line} is {text[:60]!r}: write a picture's name, a comma and its class")
        name = short(name)
        _check_name(path, line, name, names)
        names[name] = line
        found[line] = (name, label)
    return found


def _lines(path: Path) -> list[tuple[int, str]]:
    try:
        if path.stat().st_size > _LARGEST_LIST:
            raise DataError(f"{path} is larger than 64 MB: that is no list of names")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path} is not there: write a list with one name a line") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not text: write one name a line") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): write one name a line into it") from error
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]


def _check_name(path: Path, line: int, name: str, known: Mapping[str, int]) -> None:
    if name in known:
        raise DataError(f"{path} names {name!r} in line {known[name]} and in line {line}: name each sample once")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name:
        raise DataError(f"{path} line {line} names {name[:60]!r}, which leads out of the data: name what is in it")


def held_out(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(training, validation): of every hundred names the last ten are validation; of fewer, the last of every ten.

    Neighbours in such lists often show one room or street, so whole runs are held out rather than single names.
    """
    block = 100 if len(names) >= 100 else 10
    out = {index for index in range(len(names)) if index % block >= block - block // 10}
    if not out:
        raise DataError(f"{len(names)} samples are too few to hold some out for validation: list ten or more")
    training = tuple(name for index, name in enumerate(names) if index not in out)
    return training, tuple(names[index] for index in sorted(out))


def place_of(name: str) -> float:
    """A number in [0, 1) that depends on the name alone: parted by it, names stay where they are when others come."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / float(1 << 48)
