"""The base of every section of a YAML file: of recipes, and of the `dataset.yaml` of a folder."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

# Bounds are far above what anybody trains: they name a slip of the keyboard before torch meets it.
Count = Annotated[int, Field(ge=1, le=10**9)]
Channels = Annotated[int, Field(ge=1, le=8192)]
Pixels = Annotated[int, Field(ge=1, le=16384)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Positive = Annotated[float, Field(gt=0, le=1e30)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


class Part(BaseModel):
    """A section: frozen, unknown keys refused, no infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool_for_number(cls, value: Any, info: Any) -> Any:
        """`epochs: yes` is true in YAML, and pydantic would read it as 1; so too in lists and tables of numbers."""
        kind = cls.model_fields[info.field_name].annotation
        # Sections look at their own keys, some of which are true or false.
        found = isinstance(value, bool) if _has_section(kind) else _has_bool(value)
        if found and kind is not bool:
            raise ValueError("true and false are no value for this key")
        return value


def _has_section(kind: Any) -> bool:
    inner = get_args(kind)
    return any(map(_has_section, inner)) if inner else isinstance(kind, type) and issubclass(kind, Part)


def _has_bool(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return isinstance(value, bool) or any(map(_has_bool, inner))
