"""Latencies that `pliant profile` measured, on another machine perhaps: what it says of a supernet's subnets."""

from __future__ import annotations

from collections.abc import Mapping

from ...devices.errors import BudgetError, PliantError
from ...devices.profile import DeviceProfile
from ...export.identity import GraphDigests
from ...models.space import SubnetConfig
from ...models.supernet import Supernet
from ..entries import Latency


def profiled_latencies(profile: DeviceProfile, supernet: Supernet) -> dict[SubnetConfig, Latency]:
    """What a profile measured of a supernet's fp32 subnets, all tasks together.

    A profile names graphs by their digests and says which widths they have. That they are graphs of this supernet is
    not taken on trust: the graph that each would be exported as must have that digest. Of measurements with several
    shapes, providers, threads or quantiles those are taken that there are most of. BudgetError where there is none.
    """
    digests = GraphDigests(supernet)
    tasks = ",".join(supernet.space.tasks)
    where = profile.fingerprint.board or profile.fingerprint.cpu
    found: dict[tuple[str, float], dict[SubnetConfig, Latency]] = {}
    for key, measurement in profile.latency.items():
        digest, _, how = key.partition("/")
        config = _config(profile.graphs.get(digest, {}))
        value = measurement.at(measurement.quantile)
        if config is None or config not in supernet.space or not value or how.rpartition("/")[2] != tasks:
            continue
        if digests(config) == digest:
            latency = Latency(value, "measured", where, measurement.quantile)
            found.setdefault((how, measurement.quantile), {})[config] = latency
    if not found:
        raise BudgetError(
            "the device profile has no fp32 subnet of this supernet: export a suite of it, then `pliant profile` there"
        )
    return max(found.values(), key=len)


def _config(graph: Mapping[str, object]) -> SubnetConfig | None:
    """The configuration that a profile describes; None where that is none, or not of fp32."""
    if graph.get("precision") != "fp32":
        return None
    try:
        return SubnetConfig(tuple(graph["encoder"]), tuple(graph["decoders"].items()))  # type: ignore[arg-type,attr-defined]
    except PliantError:
        return None
