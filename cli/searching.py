"""What `pliant search` does: search a checkpoint, by multiply-adds or latency, show the front, explain a subnet."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..devices.errors import BudgetError
from ..devices.words import counted
from ..search.limits import UNLIMITED, Limits
from ..search.places import check_front_path, page_path, plot_path, stairs_path
from .checkpoints import opened
from .places import check_file
from .progress import note
from .stopping import stopped_by_sigterm
from .tables import macs, milliseconds, print_folded, print_json, print_table, quality, quality_head, size

if TYPE_CHECKING:
    from ..devices.profile import DeviceProfile
    from ..search.entries import FrontEntry, Latency
    from ..search.front.front import Front
    from ..search.latency.clock import Clock
    from ..training.checkpoints.checkpoint import Checkpoint
    from .progress import Report


@dataclass(frozen=True)
class Asked:
    """What `pliant search` was asked for."""

    checkpoint: Path
    out: Path
    device: Path | None = None
    latency: bool = False
    threads: int | None = None
    prefer: dict[str, float] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)
    drops: dict[str, float] = field(default_factory=dict)
    limits: Limits = UNLIMITED
    algorithm: str | None = None
    size: int | None = None
    evaluations: int | None = None
    resume: bool = False
    cluster: str | None = None
    int8: bool = False


@stopped_by_sigterm()
def run(asked: Asked, report: Report) -> Front:
    """Search, and write FRONT.json, FRONT.png and FRONT.html; a wrong profile or place is found out before the work."""
    from ..devices.profile import read_profile
    from ..search.floors import Floors
    from ..search.run import DEFAULT, run_search

    out = asked.out
    check_front_path(out)
    check_file(out, reads=[asked.device], beside=[plot_path(out), page_path(out), stairs_path(out)])
    if asked.device is not None and asked.latency:
        raise BudgetError("--latency measures on this machine, --device was measured on another: give one of them")
    profile = read_profile(asked.device) if asked.device is not None else None
    loaded = opened(asked.checkpoint)

    def show(done: int, most: int, hypervolume: float) -> None:
        report(f"searching, hypervolume {hypervolume:.4f}", done, most)

    try:
        return run_search(
            loaded,
            algorithm=asked.algorithm or DEFAULT,
            preferences=[*loaded.recipe.search.preferences, *([asked.prefer] if asked.prefer else [])],
            evaluations=asked.evaluations,
            front_size=asked.size,
            out=out,
            resume=asked.resume,
            progress=show,
            clock=_clock(asked, loaded, profile, report),
            floors=Floors(asked.floors, asked.drops),
            limits=asked.limits,
            note=note,
            cluster=asked.cluster,
            int8=asked.int8,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped: what was measured is kept; go on with --resume (--out {out})") from None


def _clock(asked: Asked, loaded: Checkpoint, profile: DeviceProfile | None, report: Report) -> Clock | None:
    from ..search.latency.clock import Profiled, ThisMachine

    if profile is not None:
        return Profiled(profile, loaded.supernet)
    return ThisMachine(loaded.supernet, asked.threads, report) if asked.latency else None


def explain(front: Path, number: int, as_json: bool) -> None:
    """Say why a subnet is on a front that was written."""
    from ..search.front.explain import explain as explained
    from ..search.front.front import Front

    found = explained(Front.load(front), number)
    if as_json:
        best = {name: {"from": low, "to": high} for name, (low, high) in found.best.items()}
        print_json({"_version": 1, "number": number, **found.entry.to_json(), "best": best, "text": found.text})
        return
    for line in found.lines:
        print_folded(line)


def _shown(latency: Latency | None) -> str:
    """Milliseconds; what was only estimated has a tilde."""
    return ("~" if latency and latency.kind == "estimated" else "") + milliseconds(latency.value if latency else None)


def _quantile(front: Front) -> str:
    found = {round(100 * entry.latency.quantile) for entry in front.entries if entry.latency}
    return "/".join(f"p{each}" for each in sorted(found))


def _best_for(entry: FrontEntry, searched: Collection[str]) -> str:
    """The preferences that a subnet is on the front of, in as few words as it takes."""
    others = [name for name in searched if name not in entry.preferences]
    if not others:
        return "all"
    few = len(others) < len(entry.preferences) and len(others) <= 2
    return f"all but {'; '.join(others)}" if few else "; ".join(entry.preferences)


def print_front(front: Front, out: Path, as_json: bool) -> None:
    """The subnets of a front, from the narrowest to the widest."""
    if as_json:
        print_json(front.to_json())
        return
    from ..search.wording import precision_in_words

    timed = any(entry.latency for entry in front.entries)
    mixed = any(entry.config.precision != "fp32" for entry in front.entries)
    heads = [quality_head(task) for task in front.tasks]
    rows = []
    for index, entry in enumerate(front.entries, 1):
        latency = [_shown(entry.latency)] if timed else []
        found = [quality(entry.quality[task.name]) for task in front.tasks]
        precision = [precision_in_words(entry.config)] if mixed else []
        cost = (macs(entry.macs), size(entry.bytes), *precision, *latency)
        rows.append((str(index), *cost, *found, _best_for(entry, front.preferences)))
    print_table(
        (
            "",
            "macs",
            "bytes",
            *(["runs\nin"] if mixed else []),
            *([f"{_quantile(front)}\nms"] if timed else []),
            *heads,
            "best for",
        ),
        rows,
    )
    origin = front.provenance
    told = f"{counted(len(rows), 'subnet')}, chosen from {origin.chosen_of}"
    print(f"{out}: {told}; quality on {counted(origin.images, 'image')} of {origin.data}")
    print(f"plot: {plot_path(out)}")
    print(f"page: {page_path(out)}")
    if timed and front.provenance.cost != "macs":
        print(f"latency by width: {stairs_path(out)}")
