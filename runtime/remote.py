"""Suites by address: `https://…`, or `hf://owner/repo[@revision]/file.pliant` on a Hub; fetched once, checked, kept.

An address may end in `#sha256=` and the digest that the file must have, as those of Python packages do.
Fetching is fsspec's and huggingface_hub's work, the Hub's cache its own. What was fetched is used only after the
digests of all its tensors, and that of the whole file where one is given, were found right. Where the other side cannot
be reached, what was fetched before is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..devices.cache import cache_folder, private_folder
from ..devices.errors import EngineUnavailable, InputError, SuiteError
from ..devices.measure import Progress
from ..devices.writing import beside, onto_disk, write_atomically

if TYPE_CHECKING:
    from .format.container import Container

_HUB = re.compile(r"hf://([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)")
_MOST_BYTES = 4 << 30
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NEEDS = "suites by address need more packages: in a checkout of pliant, pip install '.[remote]'"


def fetch(address: str, sha256: str | None = None, report: Progress | None = None) -> Path:
    """The path of a checked copy of the suite at `address`; `report` is told bytes.

    Raises InputError for an address that cannot be reached or used, SuiteError where what came is damaged or is not
    what `sha256` (hex, of the whole file) says, EngineUnavailable without the extra `remote`.
    """
    address, sha256 = pinned(address, sha256)
    scheme = address.partition("://")[0]
    if scheme == "hf":
        path = _from_hub(address)
    elif scheme in ("https", "http"):
        path = _from_web(address, sha256, report)
    else:
        raise InputError(f"{address} is of a kind that is not fetched: use https://, hf:// or a path")
    _check_once(path, address, sha256)
    return path


def check_digest(container: Container, sha256: str) -> None:
    """SuiteError unless the whole file, as it was opened, has this digest (hex): what its path leads to may change."""
    wanted = _hex(sha256)
    found = hashlib.sha256()
    for chunk in container.all_bytes():
        found.update(chunk)
    container.check_unchanged()
    if found.hexdigest() != wanted:
        raise SuiteError(f"{container.path} is another file than asked for: its sha256 is {found.hexdigest()}")


def pinned(address: str, sha256: str | None) -> tuple[str, str | None]:
    """The address without its digest, and the digest; a fragment that is none must not pass for one."""
    place, sign, fragment = address.partition("#")
    if not sign:
        return place, None if sha256 is None else _hex(sha256)
    name, _, digest = fragment.partition("=")
    if name != "sha256":
        raise InputError(f"{address[:200]} ends in {fragment[:80]!r}: only #sha256= and 64 hex digits may follow")
    if sha256 is not None and _hex(sha256) != _hex(digest):
        raise InputError(f"{address[:200]} has another sha256 than the one that was given beside it")
    return place, _hex(digest)


def _hex(sha256: str) -> str:
    if not isinstance(sha256, str) or not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise InputError(f"{str(sha256)[:80]!r} is no sha256: 64 hex digits were expected")
    return sha256.lower()


def _from_hub(address: str) -> Path:
    parts = _HUB.fullmatch(address)
    if parts is None:
        raise InputError(f"{address} names no file: hf://owner/repo/file.pliant, or hf://owner/repo@revision/...")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise EngineUnavailable(_NEEDS) from None
    repo, revision, name = parts.groups()
    try:
        return Path(hf_hub_download(repo, name, revision=revision))
    except Exception as error:  # whatever its layers raise: those of its HTTP library change with its versions
        raise InputError(f"{address} cannot be fetched: {_reason(error, address)}") from None


def _from_web(address: str, sha256: str | None, report: Progress | None) -> Path:
    """Fetched anew when the server has another one, as its ETag or date says, and where it gives neither."""
    _check_safe(address, address, sha256)
    try:
        import aiohttp  # noqa: F401
        from fsspec.implementations.http import HTTPFileSystem
    except ImportError:
        raise EngineUnavailable(_NEEDS) from None
    folder = _suites() / hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[:24]
    name = Path(urlsplit(address).path).name[-100:] or "suite.pliant"
    path, known = folder / "file" / name, folder / "fetched.json"
    web = HTTPFileSystem(skip_instance_cache=True)
    try:
        info = web.info(address)
    except Exception as error:  # whatever its layers raise: no network, no such file, no such host
        if path.exists() and _is_out_of_reach(error):
            return path
        raise InputError(f"{address} cannot be fetched: {_reason(error, address)}") from None
    final = str(info.get("url", address))
    _check_safe(final, address, sha256)
    there = _version(info)
    if there is not None and _read(known) == [there, _state(path)] and _is_sound(path, address, sha256):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside(path) as file:
            # Where it was led to is known and safe: it is not led further.
            web.get_file(final, file.name, callback=_callback(report, address), allow_redirects=False)
            _check_whole(Path(file.name), address, sha256)
            onto_disk(file)
            os.replace(file.name, path)
        write_atomically(known, json.dumps([there, _state(path)]))
    except (SuiteError, InputError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename:  # of this machine's disk
            what = f"{address} cannot be kept: {error.filename}: {error.strerror}"
            raise InputError(f"{what}; PLIANT_CACHE names another cache") from None
        raise InputError(f"{address} cannot be fetched: {_reason(error, address)}") from None
    return path


def _check_safe(url: str, address: str, sha256: str | None) -> None:
    """Without a digest only what came by TLS, or from this very machine, is anybody's in particular."""
    try:
        parts = urlsplit(url)
        name = parts.hostname
    except ValueError as error:
        raise InputError(f"{address} is no address: {_first_line(error)}") from None
    if sha256 is None and parts.scheme != "https" and name not in _LOOPBACK:
        led = "" if url == address else f" (it leads to {url[:200]})"
        raise InputError(f"{address} could be anybody's answer{led}: use https://, or give its sha256")


def _is_out_of_reach(error: BaseException) -> bool:
    """Whether nobody answered; a server that says no means it, and a certificate that is wrong is no absence."""
    import aiohttp

    cause = error.__cause__ or error
    if isinstance(cause, (aiohttp.ClientSSLError, aiohttp.ClientResponseError)):
        return False
    return isinstance(cause, (aiohttp.ClientConnectionError, TimeoutError))


def _version(info: dict[str, Any]) -> dict[str, Any] | None:
    """What tells one version from the next; None where the server says nothing but a size."""
    found = {"size": info.get("size"), "etag": info.get("ETag"), "changed": info.get("Last-Modified")}
    return found if found["etag"] or found["changed"] else None


def _state(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _suites() -> Path:
    return private_folder(cache_folder() / "suites")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _callback(report: Progress | None, address: str) -> Any:
    """Tells how far it is; a server that never ends is left before it has filled the disk."""
    from fsspec.callbacks import Callback

    what = f"fetching {address.rpartition('/')[2]}"

    def told(size: int | None, value: int, **_: Any) -> None:
        if max(size or 0, value) > _MOST_BYTES:
            raise InputError(f"{address} has over {_MOST_BYTES >> 30} GiB: fetch it yourself, and open the file")
        if report is not None:
            report(what, value, size or value or 1)

    return Callback(hooks={"report": told})


def _check_once(path: Path, address: str, sha256: str | None) -> None:
    """A copy that was checked is known by its place, size and time."""
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{address} cannot be fetched: {error.strerror}") from None
    if sha256 is not None:  # every time: that is what it was given for
        _check_whole(path, address, sha256)
        return
    mark = hashlib.sha256(f"{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()
    checked = _suites() / "checked" / mark
    if not checked.exists():
        _check_whole(path, address, None)
        try:
            checked.parent.mkdir(parents=True, exist_ok=True)
            checked.touch()
        except OSError:
            pass  # Then it is checked again the next time.


def _is_sound(path: Path, address: str, sha256: str | None) -> bool:
    try:
        _check_once(path, address, sha256)
    except SuiteError:
        return False
    return True


def _check_whole(path: Path, address: str, sha256: str | None) -> None:
    from .format.digests import check_file
    from .format.suite_file import SuiteFile

    try:
        with SuiteFile(path) as suite:
            if sha256 is not None:
                check_digest(suite.container, sha256)
            check_file(suite)
    except SuiteError as error:
        raise SuiteError(str(error).replace(str(path), address)) from None


def _reason(error: BaseException, address: str) -> str:
    """What happened, where fsspec says the address once more: that stands behind it."""
    said = _first_line(error)
    return _first_line(error.__cause__) if said == address and error.__cause__ is not None else said


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip()[:300]
