"""What `pliant search` does: search a checkpoint, add the latencies of a device profile, show the front."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..search.places import check_front_path, page_path, plot_path
from .places import check_file
from .progress import note
from .tables import macs, milliseconds, print_json, print_table, quality, quality_head, size

if TYPE_CHECKING:
    from ..devices.profile import DeviceProfile
    from ..models.space import SubnetConfig
    from ..search.front import Front, Latency
    from ..training.checkpoint import Checkpoint
    from .progress import Report


def run(
    checkpoint: Path,
    out: Path,
    device: Path | None,
    preference: dict[str, float],
    resume: bool,
    report: Report,
    most: int | None = None,
    evaluations: int | None = None,
) -> Front:
    """Search, and write FRONT.json, FRONT.png and FRONT.html; a wrong profile or place is found out before the work."""
    from ..devices.profile import read_profile
    from ..search.run import run_search
    from ..training.checkpoint import load_checkpoint

    check_front_path(out)
    check_file(out, make=True, reads=[device], beside=[plot_path(out), page_path(out)])
    profile = read_profile(device) if device is not None else None
    loaded = load_checkpoint(checkpoint)
    given = [*loaded.recipe.search.preferences, *([preference] if preference else [])]

    def show(done: int, most: int, hypervolume: float) -> None:
        report(f"searching, hypervolume {hypervolume:.4f}", done, most)

    try:
        front = run_search(
            loaded,
            preferences=given,
            evaluations=evaluations,
            front_size=most,
            out=out,
            resume=resume,
            progress=show,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped: what was measured is kept; go on with --resume (--out {out})") from None
    return front if profile is None else _with_latency(front, loaded, profile, out)


def _with_latency(front: Front, checkpoint: Checkpoint, profile: DeviceProfile, out: Path) -> Front:
    from ..search.run import write_front

    timed = front.measured(_latency_of(checkpoint, profile))
    known = sum(entry.latency is not None for entry in timed.entries)
    if known < len(timed.entries):
        note(
            f"the profile has {known} of the front's {len(timed.entries)} subnets: export, then `pliant profile` there"
        )
    write_front(timed, out)
    return timed


def _latency_of(checkpoint: Checkpoint, profile: DeviceProfile) -> Callable[[SubnetConfig], Latency | None]:
    """Measurements belong to graphs, not to weights: the graph that a subnet would be exported as is looked up."""
    from ..export.identity import GraphDigests
    from ..search.front import Latency

    digests = GraphDigests(checkpoint.supernet)
    names = ",".join(sorted(task.name for task in checkpoint.tasks))
    where = profile.fingerprint.board or profile.fingerprint.cpu

    def of(config: SubnetConfig) -> Latency | None:
        digest = digests(config)
        keys = (key for key in profile.latency if key.startswith(f"{digest}/") and key.endswith(f"/{names}"))
        found = next((profile.latency[key] for key in keys), None)
        value = found.at(found.quantile) if found else None
        return Latency(value, "measured", where, found.quantile) if found and value is not None else None

    return of


def print_front(front: Front, out: Path, as_json: bool) -> None:
    """The subnets of a front, from the narrowest to the widest."""
    if as_json:
        print_json(front.to_json())
        return
    timed = any(entry.latency for entry in front.entries)
    heads = [quality_head(task) for task in front.tasks]
    rows = []
    for index, entry in enumerate(front.entries, 1):
        latency = [milliseconds(entry.latency.value if entry.latency else None)] if timed else []
        found = [quality(entry.quality[task.name]) for task in front.tasks]
        rows.append((str(index), macs(entry.macs), size(entry.bytes), *latency, *found, "; ".join(entry.preferences)))
    print_table(("", "macs", "bytes", *(["p50\nms"] if timed else []), *heads, "best for"), rows)
    origin = front.provenance
    print(f"{out}: {len(rows)} subnets of {origin.candidates} measured on {origin.images} images of {origin.data}")
    print(f"plot: {plot_path(out)}")
    print(f"page: {page_path(out)}")
