"""An open suite: what its file holds, and the way to plans and models."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .format.manifest import SubnetInfo
from .plannable import PlannableSuite

if TYPE_CHECKING:
    from .model import Model
    from .planning.plan import Plan
    from .verify import VerifyResult


class Suite(PlannableSuite):
    """One suite, open: what its file says, plans, and models. Safe to use from many threads; a context manager."""

    def load(
        self,
        choice: Plan | SubnetInfo | str | None = None,
        *,
        tasks: Iterable[str] | str | None = None,
        raw: bool = False,
        provider: str | None = None,
        threads: int | None = None,
        build: int = 0,
        govern: bool = False,
        color: str = "rgb",
        **budget: Any,
    ) -> Model:
        """Load a plan, a subnet, or what a budget (the words of `plan`) chooses; without any, the widest fp32 subnet.

        `tasks`, `raw` (logits instead of decoded outputs) and `color` (what images come in: "rgb", "bgr" or "nv12", see
        `runtime.color`) hold for the model's life, through every switch. With `build=N` a named subnet's TensorRT
        engine that is not there is built for N images a call, while onnxruntime answers. `govern` keeps the latency of
        the budget under changing load, by switching (`runtime.governing.governor`).
        """
        from .loading import load_model

        how: dict[str, Any] = {"tasks": tasks, "raw": raw, "provider": provider, "threads": threads, "color": color}
        return load_model(self, choice, budget, **how, build=build, govern=govern)

    def verify(
        self,
        subnets: Iterable[str] | str | None = None,
        *,
        key: str | os.PathLike[str] | None = None,
        provider: str = "cpu",
        threads: int | None = None,
    ) -> Iterator[VerifyResult]:
        """Check digests, then every subnet (or those named; [] for digests alone) against its witness, as they come.

        With `key`, the PEM file of a public key, first whether it signed the suite.
        """
        from .verify import verify_suite

        return verify_suite(self, subnets, key=key, provider=provider, threads=threads)

    def extract(
        self,
        subnet: SubnetInfo | str,
        out: str | os.PathLike[str],
        *,
        target: str = "onnxruntime",
        tasks: Iterable[str] | str | None = None,
        raw: bool = False,
    ) -> tuple[Path, Path]:
        """Write a subnet as a plain ONNX model: `out` and `out`.data."""
        from .extract import extract_subnet_file

        return extract_subnet_file(self, subnet, out, target=target, tasks=tasks, raw=raw)
