"""A suite's subnets measured anew, for a caller, or for another process: progress and profile as lines on stdout.

    python -m pliant.runtime.planning.profiling MODEL.pliant '{"tasks": null, "provider": "cpu", "threads": 2,
    "seconds": 1.5}'

prints `pliant progress [what, done, total]` now and then, and `pliant profile {...}` at the end. It is what
`pliant profile --remote` runs on a board, which needs no terminal's packages for it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...devices.cache import MeasurementCache
from ...devices.energy import need_sensor
from ...devices.errors import PliantError
from ...devices.measure import Effort, Progress
from ...devices.profile import DeviceProfile
from ..engine import check_provider, check_threads, target_of
from ..format.manifest import SubnetInfo
from ..format.suite_file import SuiteFile
from ..tensorrt.settings import ENGINES
from .book import CONFIRM, Book


def profile_suite(
    suite: SuiteFile,
    subnets: Sequence[SubnetInfo] | None = None,
    *,
    tasks: Iterable[str] | str | None = None,
    provider: str = "cpu",
    threads: int | None = None,
    quantile: float = 0.5,
    memory: bool = True,
    energy: bool = False,
    effort: Effort = CONFIRM,
    progress: Progress | None = None,
    cache: MeasurementCache | None = None,
) -> DeviceProfile:
    """Measure subnets (None: all) anew on this machine, latency and memory, and keep that for `plan`.

    Returns a profile with the entries of these subnets only. `effort.seconds` is for each subnet.
    """
    names = suite.check_tasks(tasks)
    chosen = list(suite.subnets if subnets is None else subnets)
    book = Book(suite, names, provider=check_provider(provider), threads=check_threads(threads), cache=cache)
    if energy:
        # Minutes of measuring are not thrown away for want of a sensor.
        need_sensor("processor" if book.provider == "cpu" else "gpu")
    target = target_of(book.provider)
    if subnets is None:
        chosen = [each for each in chosen if target in each.graphs]
        if book.provider in ENGINES:
            chosen = [each for each in chosen if each.id in book.engines]
    book.measure(chosen, quantile, effort, progress)
    if memory and book.provider == "cpu":
        book.measure_memory(chosen, progress)
    if energy:
        book.measure_energy(chosen, progress)
    keys = {book.key(subnet).text for subnet in chosen}
    latency = {key: value for key, value in book.profile.latency.items() if key in keys}
    uses = {key: value for key, value in book.profile.memory.items() if key in keys}
    graphs = {subnet.graphs[target].sha256: _described(subnet) for subnet in chosen if target in subnet.graphs}
    energies = {key: value for key, value in book.profile.energy.items() if key in keys}
    return DeviceProfile(book.fingerprint, book.profile.conditions, latency, uses, graphs, energies)


def _described(subnet: SubnetInfo) -> dict[str, Any]:
    return {
        "encoder": list(subnet.widths.encoder),
        "decoders": dict(subnet.widths.decoders),
        "precision": subnet.precision,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command of this module; a PliantError is the last line on stderr, with exit code 1."""
    path, given = sys.argv[1:] if arguments is None else arguments
    how = json.loads(given)
    effort = replace(CONFIRM, seconds=how.pop("seconds"))
    try:
        with SuiteFile(path) as suite:
            found = profile_suite(suite, effort=effort, progress=_progress, **how)
    except PliantError as error:
        print(error, file=sys.stderr)
        return 1
    _say("profile", found.to_json())
    return 0


def _progress(what: str, done: int, total: int) -> None:
    _say("progress", [what, done, total])


def _say(kind: str, value: Any) -> None:
    print("pliant", kind, json.dumps(value, allow_nan=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
