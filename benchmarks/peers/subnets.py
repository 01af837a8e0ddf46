"""The subnets that peers get: uniform ones of a trained supernet, with the images that all are judged on."""

from __future__ import annotations

from pathlib import Path

import onnx

from pliant.devices.dialect import get_dialect
from pliant.export.build import PARITY_IMAGES
from pliant.export.engine import Engine
from pliant.export.feeds import Feed, Wide, fp32_feed
from pliant.export.mixing import Mixer
from pliant.export.quality import Labelled, read_labelled
from pliant.export.quantized import ENGINE, Quantizer
from pliant.export.template import widest_template
from pliant.models.space import SubnetConfig
from pliant.quantize.lowering import lower
from pliant.quantize.policy import Policy
from pliant.runtime.graphs.graph import parse_graph
from pliant.training.checkpoints.checkpoint import Checkpoint
from pliant.training.evaluation.evaluator import Evaluator
from pliant.training.evaluation.recalibrate import recalibration_batches
from pliant.training.prepare import open_split


class Subnets:
    """The subnets of a supernet in fp32 and in pliant's int8, with the images that all are judged on."""

    def __init__(self, loaded: Checkpoint, split: str):
        self.supernet, recipe = loaded.supernet.eval(), loaded.recipe
        size = (self.supernet.architecture.height, self.supernet.architecture.width)
        train = open_split(recipe, "train")
        self.tasks = self.supernet.tasks
        self.quality: Labelled = read_labelled(open_split(recipe, split), 10**6, size, self.tasks)
        self.calibration = read_labelled(train, recipe.quantize.calibration_images, size).images
        self.evaluator = Evaluator(self.supernet, recalibration_batches(train, recipe.training))
        template = widest_template(self.supernet)
        self.whole = lower(template, Policy(), get_dialect(ENGINE))
        self.wide, self.template = Wide(self.supernet, self.whole), template
        most, evaluations = (
            0.01 if recipe.quantize.max_drop is None else recipe.quantize.max_drop,
            recipe.quantize.evaluations,
        )
        mixer = Mixer(template, self.whole, self.wide, self.tasks, self.quality, most, evaluations)
        self.batches = [self.calibration[start : start + 16] for start in range(0, len(self.calibration), 16)]
        self.quantizer = Quantizer(template, {ENGINE: self.whole}, self.wide, self.batches, {ENGINE: mixer})

    def fp32(self, config: SubnetConfig) -> Feed:
        """A subnet in fp32."""
        return fp32_feed(self.template, self.wide, config, self.evaluator.statistics(config))

    def int8(self, fp32: Feed) -> tuple[Feed, str] | None:
        """The same as pliant ships it, and its precision; None where it would be left out."""
        images = self.quality.images[:PARITY_IMAGES]
        outputs = Engine(fp32, [f"{task.name}/logits" for task in self.tasks], "fp32", 1)(images)
        found = self.quantizer(fp32, outputs, images)
        return (found[ENGINE].feed, found[ENGINE].policy.name) if found else None

    def save(self, feed: Feed, path: Path) -> None:
        """An ordinary ONNX file of the decoded outputs, weights inside."""
        graph = parse_graph(feed.data).pruned([task.name for task in self.tasks])
        model = onnx.load_model_from_string(graph.to_bytes())
        for tensor in model.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                tensor.CopyFrom(onnx.numpy_helper.from_array(feed.arrays[tensor.name], tensor.name))
        onnx.save(model, path)
