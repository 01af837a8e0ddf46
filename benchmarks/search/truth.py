"""What was truly evaluated and measured of a supernet, stored: it serves all methods and seeds, and grows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np

from pliant.devices.fingerprint import read_fingerprint
from pliant.models.space import SubnetConfig
from pliant.quantize.assignment import FP32, assigned_to
from pliant.search.latency.clock import probes
from pliant.search.latency.model import LatencyModel
from pliant.search.latency.timing import STATISTIC, Timer
from pliant.search.log import EvaluationLog
from pliant.search.predictor import Fit, Predictor
from pliant.search.quality.data import open_search_data
from pliant.search.quality.identity import batches_digest, supernet_digest
from pliant.search.quality.integers import Images, integer_sources
from pliant.search.quality.source import ByPrecision
from pliant.search.run import NO_LOSS
from pliant.training.checkpoints.checkpoint import Checkpoint
from pliant.training.evaluation.evaluator import Evaluator

from .times import StoredTimes

HELD_OUT = 20
"""Encoders that were not learned from, without which a fit says nothing."""


class Truth:
    """Quality by encoder and decoder, and latency by subnet, of one trained supernet.

    `evaluator` is a search's source of true quality: what it measures is kept in `folder`.
    """

    def __init__(self, checkpoint: Checkpoint, data: str, folder: Path):
        self.checkpoint = checkpoint
        images = open_search_data(checkpoint, int8=True)
        digest = supernet_digest(checkpoint.supernet)
        identity = {"supernet": digest, "images": batches_digest(images.recalibration, images.validation)}
        folder.mkdir(parents=True, exist_ok=True)
        self._log = EvaluationLog(folder / f"{data}.log.jsonl", identity, resume=True)
        self.evaluator = Evaluator(
            checkpoint.supernet,
            images.recalibration,
            images.validation,
            known=self._log.entries,
            keep=self._log.append,
        )
        how = checkpoint.recipe.quantize
        shown = Images.of(images.calibration, images.validation)
        most = NO_LOSS if how.max_drop is None else how.max_drop
        self.policies, self.integers = integer_sources(self.evaluator, shown, most, how.evaluations, self._log)
        head = {
            "supernet": digest,
            "fingerprint": read_fingerprint().digest,
            "policies": {name: policy.to_json() for name, policy in self.policies.items()},
            "statistic": STATISTIC,
        }
        timer = Timer(checkpoint.supernet, threads=1, policies=self.policies)
        self._times = StoredTimes(folder / f"{data}-latency.json", head, timer)

    @property
    def source(self) -> ByPrecision:
        """True quality in every precision."""
        return ByPrecision({"fp32": self.evaluator, **self.integers})

    @property
    def measured(self) -> int:
        """Tables that were measured anew, in any precision."""
        return self.evaluator.effort.encoders + sum(each.encoders for each in self.integers.values())

    def latency(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, float]:
        """Milliseconds, measured here where they are not stored yet."""
        return self._times(configs)

    def latency_models(self) -> tuple[dict[str, LatencyModel], dict[str, Fit]]:
        """By the encoder's precision, what measured subnets teach, and how well it estimates others, held out."""
        space, tasks = self.checkpoint.space, self.checkpoint.tasks
        models, fits = {}, {}
        parts = (FP32, *self.policies)
        times = self.latency(probes(space, parts=parts))
        for precision in parts:
            known = {config: ms for config, ms in times.items() if assigned_to(config).encoder == precision}
            models[precision] = LatencyModel(space, tasks, known)
            fits[precision] = LatencyModel.held_out(space, tasks, known)
        return models, fits

    def quality_fit(self, known: int = 60) -> Fit | None:
        """How well the quality of subnets is predicted from `known` measured encoders; None where few others are.

        Error and rank correlation over encoders that were held out, averaged over tasks and decoder widths.
        """
        tables = [
            (encoder, [value for task in sorted(table) for _, value in sorted(table[task].items())])
            for encoder, table in self.evaluator.tables.items()
        ]
        full = max((len(values) for _, values in tables), default=0)
        tables = [(encoder, values) for encoder, values in tables if len(values) == full]
        if len(tables) < known + HELD_OUT:
            return None
        random.Random("quality").shuffle(tables)
        encoders, values = [each for each, _ in tables], np.array([each for _, each in tables])
        predicted = Predictor(encoders[:known], values[:known])(encoders[known:])
        fits = [Fit.of(list(mine), list(true)) for mine, true in zip(predicted.T, values[known:].T, strict=True)]
        return Fit(fmean(fit.error for fit in fits), fmean(fit.tau for fit in fits))

    def close(self) -> None:
        """Close the log."""
        self._log.close()
