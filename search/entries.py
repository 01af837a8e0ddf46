"""The subnets of a front: what was measured of each, and what it beats, as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..devices.checked import by_name, each, nothing_or, real, text, whole
from ..devices.errors import InputError
from ..models.space import SubnetConfig

Kind = Literal["measured", "estimated"]


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one image at a `quantile`; `kind` says whether they were measured, `profile` where."""

    value: float
    kind: Kind
    profile: str
    quantile: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("measured", "estimated"):
            raise InputError(f"a latency is measured or estimated, not {self.kind!r}")


@dataclass(frozen=True)
class Beaten:
    """A subnet that was measured and is not worth having: its metrics, and its cost as a share of the widest's."""

    config: SubnetConfig
    quality: Mapping[str, float]
    cost: float

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        return {"config": self.config.to_json(), "quality": dict(self.quality), "cost": self.cost}

    @classmethod
    def from_json(cls, entry: Any) -> Beaten:
        """Read what `to_json` wrote."""
        values = fields_of(cls, entry)
        return cls(SubnetConfig.from_json(values["config"]), by_name(values["quality"], real), real(values["cost"]))


@dataclass(frozen=True)
class FrontEntry:
    """One subnet: the metric by task, multiply-adds of one image, bytes, latency where there is one.

    `bytes` are those of its weights in its precision, as a suite holds them (in fronts whose provenance says no cost,
    of earlier versions, of fp32 weights whatever the precision).
    `preferences` names those whose own front, of score over cost, it lies on; `beats` is how many of the subnets that
    the search measured cost no less and are nowhere better, and `beaten` those of them that are nearest (None and none
    in fronts of earlier versions).
    """

    config: SubnetConfig
    quality: Mapping[str, float]
    macs: int
    bytes: int
    latency: Latency | None = None
    preferences: tuple[str, ...] = ()
    beats: int | None = None
    beaten: tuple[Beaten, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        latency = None if self.latency is None else dataclasses.asdict(self.latency)
        return {
            "config": self.config.to_json(),
            "quality": dict(self.quality),
            "macs": self.macs,
            "bytes": self.bytes,
            "latency": latency,
            "preferences": list(self.preferences),
            "beats": self.beats,
            "beaten": [each.to_json() for each in self.beaten],
        }

    @classmethod
    def from_json(cls, entry: Any) -> FrontEntry:
        """Read what `to_json` wrote."""
        values = fields_of(cls, {"beats": None, "beaten": [], **entry} if isinstance(entry, dict) else entry)
        if values["latency"] is not None:
            values["latency"] = Latency(**checked_fields(Latency, values["latency"]))
        values["config"] = SubnetConfig.from_json(values["config"])
        values["quality"] = by_name(values["quality"], real)
        values["preferences"] = each(values["preferences"], text)
        values["beats"] = nothing_or(values["beats"], whole)
        values["beaten"] = each(values["beaten"], Beaten.from_json)
        return cls(**{**values, "macs": whole(values["macs"]), "bytes": whole(values["bytes"])})


def checked_fields(cls: type[Any], entry: Any) -> dict[str, Any]:
    """The values of a dataclass's fields, the simple ones of the type that the field has."""
    kinds: dict[Any, Callable[[Any], Any]] = {"int": whole, "float": real, "str": text}
    values = fields_of(cls, entry)
    return {f.name: kinds.get(f.type, lambda value: value)(values[f.name]) for f in dataclasses.fields(cls)}


def fields_of(cls: type[Any], entry: Any) -> dict[str, Any]:
    """The values of a dataclass's fields; InputError for a key too many or too few."""
    what = cls.__name__
    if not isinstance(entry, dict):
        raise InputError(f"{what} is not a JSON object")
    names = {field.name for field in dataclasses.fields(cls)}
    if set(entry) - names:
        raise InputError(f"unknown key {sorted(set(entry) - names)[0]!r} in {what}")
    if names - set(entry):
        raise InputError(f"{what} has no {sorted(names - set(entry))[0]!r}")
    return dict(entry)
