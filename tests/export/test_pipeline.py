"""The whole export, of a network that was trained for seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pliant.benchmarks.lowered import as_it_stands
from pliant.devices.errors import ConfigError, DataError, ExportError, QuantizeError
from pliant.export.deployed import Deployed
from pliant.export.identity import GraphDigests
from pliant.export.pipeline import export_suite
from pliant.export.quality import measure_quality, read_labelled
from pliant.export.report import ExportReport
from pliant.export.settings import ExportData
from pliant.models.network import normalize
from pliant.quantize.policy import Policy
from pliant.runtime.format.weights import read_arrays
from pliant.runtime.opening import open_suite
from pliant.training.evaluation.protocol import load_batches
from pliant.training.evaluation.recalibrate import recalibrate

from ..rtx import build
from ..training.reference import evaluate
from .making import SIZE, Waves, waves
from .trained import Trained

SEGMENTATION_LOSS, DEPTH_LOSS = 0.05, 0.05
"""What int8 may lose: of mean intersection over union, and relative of root mean square error."""


@pytest.fixture(scope="module")
def exported(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ExportReport, list[tuple[str, int, int]]]:
    stages: list[tuple[str, int, int]] = []
    out = tmp_path_factory.mktemp("suite") / "waves.pliant"
    report = trained.export(out, progress=lambda *stage: stages.append(stage))
    return report, stages


Exported = tuple[ExportReport, list[tuple[str, int, int]]]


def test_subnets_are_numbered_from_the_cheapest(trained: Trained, exported: Exported) -> None:
    with open_suite(exported[0].path) as suite:
        ids = [subnet.id for subnet in suite.subnets]
        widest = suite.widest
        macs = [subnet.macs for subnet in suite.subnets]
        assert suite.name == "waves"
        assert (suite.quality_data.images, suite.quality_data.split) == (12, "test")
    assert ids == [f"s0{number}-{precision}" for number in (1, 2, 3) for precision in ("int8", "fp32")]
    assert macs == sorted(macs)
    assert widest.id == "s03-fp32"
    assert widest.widths.encoder == trained.net.space.widest.encoder


def test_graphs_are_known_by_their_digests_before_the_export(trained: Trained, exported: Exported) -> None:
    digests = GraphDigests(trained.net)
    with open_suite(exported[0].path) as suite:
        stated = [subnet.graphs["onnxruntime"].sha256 for subnet in suite.subnets if subnet.precision == "fp32"]
    assert {digests(config) for config in trained.front()} == set(stated)
    assert len(set(stated)) == len(stated) == 3


def test_parity_is_far_within_its_tolerance(exported: Exported) -> None:
    assert 0 < exported[0].worst_parity < 1e-5


def test_int8_is_nearly_as_good_as_fp32(exported: Exported) -> None:
    quality = {subnet.id: subnet.quality for subnet in exported[0].subnets}
    assert quality["s03-fp32"]["segmentation"] > 0.3, "the network has not learnt anything: nothing is tested"
    for number in ("s01", "s02", "s03"):
        fp32, int8 = quality[f"{number}-fp32"], quality[f"{number}-int8"]
        assert int8["segmentation"] > fp32["segmentation"] - SEGMENTATION_LOSS
        assert int8["depth"] < fp32["depth"] * (1 + DEPTH_LOSS)


def test_quality_is_what_torch_measures(trained: Trained, exported: Exported) -> None:
    net, data = trained.net, trained.data
    config = net.space.widest
    statistics = recalibrate(net, config, load_batches(data.train, 32, 16))
    expected = evaluate(net, config, load_batches(data.quality, 12), statistics)
    with open_suite(exported[0].path) as suite:
        measured = {task: quality.value for task, quality in suite.widest.quality.items()}
    assert measured == pytest.approx(expected, rel=1e-3)


def test_a_loaded_subnet_does_what_the_supernet_does(trained: Trained, exported: Exported) -> None:
    net, image = trained.net, waves(1, seed=77)[0]
    statistics = recalibrate(net, net.space.narrowest, load_batches(trained.data.train, 32, 16))
    with torch.no_grad():
        images = normalize(torch.from_numpy(image[None]), net.architecture)
        expected = net(images, net.space.narrowest, statistics)["depth"][0].numpy()
    with open_suite(exported[0].path) as suite, suite.load("s01-fp32", tasks="depth", raw=True) as model:
        assert np.abs(model(image)["depth"] - expected).max() < 1e-4 * np.ptp(expected)


def test_bytes_are_those_of_the_parts_and_int8_is_a_quarter(exported: Exported) -> None:
    with open_suite(exported[0].path) as suite:
        for subnet in suite.subnets:
            assert subnet.bytes == subnet.encoder.bytes + sum(part.bytes for part in subnet.decoders.values())
            assert subnet.macs == subnet.encoder.macs + sum(part.macs for part in subnet.decoders.values())
        assert suite.subnet("s03-int8").bytes < 0.35 * suite.subnet("s03-fp32").bytes


def test_the_witness_forgives_int8_what_int8_itself_costs(exported: Exported) -> None:
    with open_suite(exported[0].path) as suite:
        tolerance = suite.manifest.witness_tolerance
    assert tolerance["fp32"] == 1e-3
    assert 0.1 <= tolerance["int8"] < 0.5


def test_weights_are_stored_once(trained: Trained, exported: Exported) -> None:
    with open_suite(exported[0].path) as suite:
        entries = suite.container.entries
        wide = sum(e.stop - e.start for name, e in entries.items() if name.startswith(("weights/", "int8/")))
    parameters = sum(4 * parameter.numel() for parameter in trained.net.parameters())
    assert wide < 1.25 * parameters + 1


def test_progress_counts_every_subnet_and_its_verification(exported: Exported) -> None:
    stages = exported[1]
    assert [step for step in stages if step[0] == "subnets"] == [("subnets", done, 3) for done in (1, 2, 3)]
    assert stages[-1] == ("verify", 6, 6)


def test_the_report_is_json(exported: Exported) -> None:
    entry = json.loads(json.dumps(exported[0].to_json(), allow_nan=False))
    assert entry["size"] == Path(entry["path"]).stat().st_size
    assert entry["subnets"][1]["parity"]["depth/logits"]["shape"] == [4, 1, 32, 48]
    assert entry["subnets"][0]["noise_db"]["depth"] > 15


def test_the_same_export_gives_the_same_bytes(trained: Trained, exported: Exported, tmp_path: Path) -> None:
    again = trained.export(tmp_path / "again.pliant", name="waves")
    assert Path(again.path).read_bytes() == Path(exported[0].path).read_bytes()


def test_a_graph_that_differs_from_the_network_is_not_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter is given another network than parity compares with: one whose heads say a little more."""
    out = tmp_path / "waves.pliant"
    out.write_bytes(b"the old one")
    whole = Deployed.forward

    def more(self: Deployed, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = whole(self, images)
        return tuple(
            value * 1.01 if torch.compiler.is_exporting() and value.is_floating_point() else value for value in outputs
        )

    monkeypatch.setattr(Deployed, "forward", more)
    monkeypatch.setattr("pliant.export.template._kept", {})
    with pytest.raises(ExportError, match=r"s01.*depth/logits.*nothing was written.*p99.9.*range"):
        trained.export(out, precisions=("fp32",))
    assert out.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [out]


def test_a_policy_is_named_by_the_suite(trained: Trained, tmp_path: Path) -> None:
    policy = Policy("careful", (("decoders.depth.*", "fp32"),))
    report = trained.export(tmp_path / "x.pliant", policy=policy)
    with open_suite(tmp_path / "x.pliant") as suite:
        found = [(subnet.id, subnet.precision) for subnet in suite.subnets]
        assert all(result.ok for result in suite.verify())
    assert found[:2] == [("s01-careful", "careful"), ("s01-fp32", "fp32")]
    assert [(subnet.id, subnet.precision) for subnet in report.subnets] == found


def test_mistakes_are_one_line(trained: Trained, tmp_path: Path) -> None:
    out, net = tmp_path / "x.pliant", trained.net
    with pytest.raises(ConfigError, match="front is empty"):
        export_suite(net, [], out, data=trained.data)
    with pytest.raises(ConfigError, match="not in this supernet's search space"):
        export_suite(net, [net.space.uniform(0.3)], out, data=trained.data)
    with pytest.raises(ExportError, match="is not a folder"):
        trained.export(tmp_path / "nowhere" / "x.pliant")
    with pytest.raises(ExportError, match="unknown precision 'fp8'"):
        trained.export(out, precisions=("fp8",))
    with pytest.raises(QuantizeError, match="at least one calibration image"):
        trained.export(out, calibration_images=0)
    with pytest.raises(DataError, match="has no images"):
        trained.export(out, data=ExportData(Waves(net.tasks, 8), Waves(net.tasks, 0)))
    assert list(tmp_path.iterdir()) == []


def test_quality_images_without_labels_are_an_error_that_names_the_task(trained: Trained, tmp_path: Path) -> None:
    unlabelled = ExportData(trained.data.train, Waves(trained.net.tasks, 4, labelled=False))
    with pytest.raises(DataError, match="none of the 4 quality images is labelled for 'segmentation'"):
        trained.export(tmp_path / "x.pliant", data=unlabelled, precisions=("fp32",))
    assert list(tmp_path.iterdir()) == []


def test_each_subnet_has_a_graph_that_tensorrt_takes(exported: Exported) -> None:
    """Out of the file, as `pliant extract --target tensorrt` gives it, and by the vendor's parser and builder."""
    report, _ = exported
    with open_suite(report.path) as suite:
        for subnet in suite.subnets:
            graph = suite.graph(subnet, "tensorrt").pruned([task.name for task in suite.tasks.values()])
            arrays = read_arrays(suite.container, suite.record(subnet), graph, subnet.id)
            seen = build(graph.to_bytes(), arrays)
            assert (subnet.id, seen.said, seen.plan > 0) == (subnet.id, (), True)
            integers = sum(kind == "int8" for kind in seen.precisions.values())
            assert (integers > 0) == (subnet.precision == "int8")
            whole = suite.graph(subnet, "onnxruntime")
            assert (graph.to_bytes() == whole.pruned(graph.outputs).to_bytes()) == (subnet.precision == "fp32")


def test_graphs_for_tensorrt_lose_no_more_than_ours(exported: Exported, trained: Trained) -> None:
    """Computed as they stand: they round otherwise (signed, symmetric), and export measures only onnxruntime's."""
    report, _ = exported
    with open_suite(report.path) as suite:
        tasks = tuple(suite.tasks.values())
        data = read_labelled(trained.data.quality, 12, SIZE)
        for subnet in (each for each in suite.subnets if each.precision == "int8"):
            found = measure_quality(as_it_stands(suite, subnet, "tensorrt"), tasks, data)
            fp32 = suite.subnet(subnet.id.replace("int8", "fp32")).quality
            assert found["segmentation"] > fp32["segmentation"].value - SEGMENTATION_LOSS
            assert found["depth"] < fp32["depth"].value * (1 + DEPTH_LOSS)
