"""Checkpoints are whole or not there; a damaged one is passed over and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pliant import CheckpointError, RecipeError
from pliant.training.checkpoints.checkpoint import load_checkpoint, read_beside, resolve
from pliant.training.checkpoints.folders import AUXILIARY, RAW, steps
from pliant.training.checkpoints.writing import add_metrics, save_checkpoint
from pliant.training.loop import train
from pliant.training.optimization.schedule import make_optimizer, optimizer_tensors, restore_optimizer

from ..tiny import tiny_recipe, tiny_supernet


def _save(out: Path, *at: int) -> None:
    for step in at:
        save_checkpoint(out, tiny_supernet(step), {"encoder.bn1.bias/step": torch.tensor(1.0)}, tiny_recipe(), step)


def test_a_checkpoint_gives_back_what_was_saved(tmp_path: Path) -> None:
    _save(tmp_path, 3)
    loaded = load_checkpoint(tmp_path)
    assert loaded.step == 3
    assert loaded.recipe == tiny_recipe()
    assert loaded.space == tiny_supernet().space
    assert loaded.tasks == tiny_supernet().tasks
    saved = tiny_supernet(3).state_dict()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in loaded.supernet.state_dict().items())


def test_a_record_of_before_some_keys_means_what_it_meant_then(tmp_path: Path) -> None:
    _save(tmp_path, 3)
    path = steps(tmp_path)[0] / "checkpoint.json"
    record = json.loads(path.read_text())
    del record["images"], record["recipe"]["training"]["widest_weight"], record["recipe"]["training"]["sampling"]
    path.write_text(json.dumps(record))
    loaded = load_checkpoint(tmp_path)
    assert loaded.images is None
    assert loaded.recipe == tiny_recipe("training.widest_weight=1", "training.sampling=sandwich")


def test_the_newest_two_are_kept_and_leftovers_go(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / ".writing-step-000001-7").mkdir(parents=True)
    _save(tmp_path, 1, 2, 1000000)
    assert [folder.name for folder in steps(tmp_path)] == ["step-1000000", "step-000002"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


@pytest.mark.parametrize("name", ["supernet.safetensors", "optimizer.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(name: str, damage: str, tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    path = tmp_path / "checkpoints" / "step-000002" / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[0 if name.endswith("json") else len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    folder, problems = resolve(tmp_path)
    assert folder.name == "step-000001"
    assert len(problems) == 1
    assert "step-000002" in problems[0]
    assert load_checkpoint(tmp_path).step == 1
    with pytest.raises(CheckpointError, match="step-000002") as caught:
        load_checkpoint(path.parent)
    assert "\n" not in str(caught.value)


def test_there_is_none(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere", tmp_path / "step-000001"):
        with pytest.raises(CheckpointError):
            load_checkpoint(folder)


def test_a_record_of_another_version_or_network_is_refused(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    path = tmp_path / "checkpoints" / "step-000001" / "checkpoint.json"
    record = json.loads(path.read_text())
    changes: list[dict[str, Any]] = [
        {"_version": 99},
        {"space": None},
        {"more": 1},
        {"tasks": {}},
        {"recipe": {"lr": 1}},
        {"digests": 3},
    ]
    for change in changes:
        path.write_text(json.dumps({**record, **change}))
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(tmp_path)
        assert "\n" not in str(caught.value)


def test_metrics_are_added_to_a_whole_checkpoint(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    add_metrics(resolve(tmp_path)[0], {"quality": [{"a": 1}]})
    assert load_checkpoint(tmp_path).metrics == {"quality": [{"a": 1}]}


def test_no_pickle_is_written(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    names = {path.name for path in (tmp_path / "checkpoints" / "step-000001").iterdir()}
    assert names == {"supernet.safetensors", "optimizer.safetensors", "checkpoint.json"}


def test_what_stands_beside_is_kept_where_there_is_something(tmp_path: Path) -> None:
    raw, auxiliary = {"a": torch.ones(3)}, {"b": torch.zeros(2)}
    folder = save_checkpoint(tmp_path, tiny_supernet(), {}, tiny_recipe(), 1, raw=raw, auxiliary=auxiliary)
    assert torch.equal(read_beside(folder, RAW)["a"], raw["a"])
    assert torch.equal(read_beside(folder, AUXILIARY)["b"], auxiliary["b"])
    plain = save_checkpoint(tmp_path, tiny_supernet(), {}, tiny_recipe(), 2, auxiliary={})
    assert read_beside(plain, RAW) == read_beside(plain, AUXILIARY) == {}
    (folder / RAW).write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"raw.safetensors is damaged"):
        load_checkpoint(folder)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_an_optimizer_goes_on_exactly_where_it_stopped(optimizer: str) -> None:
    recipe = tiny_recipe(f"training.optimizer={optimizer}").training

    def trained(steps: int, interrupt: int | None) -> dict[str, torch.Tensor]:
        network = tiny_supernet()
        current = make_optimizer(network, recipe)
        for step in range(steps):
            if step == interrupt:
                state = optimizer_tensors(current, network)
                current = make_optimizer(network, recipe)
                restore_optimizer(current, network, state)
            generator = torch.Generator().manual_seed(step)
            for parameter in network.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            current.step()
        return network.state_dict()

    whole, resumed = trained(4, None), trained(4, 2)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_decay_spares_norms_and_biases() -> None:
    network = tiny_supernet()
    optimizer = make_optimizer(network, tiny_recipe("training.weight_decay=0.3", "training.encoder_lr=0.5").training)
    settings = {
        parameter: (group["weight_decay"], group["scale"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in network.named_parameters():
        assert settings[parameter] == (
            0.3 if parameter.ndim > 1 else 0.0,
            0.5 if name.startswith("encoder.") else 1.0,
        ), name


def test_the_longest_path_decides_the_rate() -> None:
    network = tiny_supernet()
    recipe = tiny_recipe(
        "training.encoder_lr=0.5",
        "training.rates={encoder.layer1: 0.1, encoder.layer1.0.conv2: 3, decoders.depth: 2, auxiliary: 7}",
    ).training
    beside = torch.nn.Linear(2, 2)
    optimizer = make_optimizer(network, recipe, beside)
    scales = {parameter: group["scale"] for group in optimizer.param_groups for parameter in group["params"]}
    expected = {
        "encoder.layer1.0.conv1.weight": 0.1,
        "encoder.layer1.0.conv2.weight": 3.0,
        "encoder.layer2.0.conv2.weight": 0.5,
        "decoders.depth.head.weight": 2.0,
        "decoders.segmentation.head.weight": 1.0,
    }
    assert {name: scales[network.get_parameter(name)] for name in expected} == expected
    assert scales[beside.weight] == scales[beside.bias] == 7.0
    assert len(scales) == len(list(network.parameters())) + 2


def test_a_rate_of_a_part_that_is_not_there_is_named() -> None:
    recipe = tiny_recipe("training.rates={encoder.layer: 0.1}").training
    with pytest.raises(RecipeError, match=r"names 'encoder.layer', which the network has not; did you mean 'encoder"):
        make_optimizer(tiny_supernet(), recipe)


def test_a_state_of_another_network_is_refused() -> None:
    network = tiny_supernet()
    optimizer = make_optimizer(network, tiny_recipe().training)
    for name, shape in (("nowhere/exp_avg", ()), ("encoder.conv1.weight/exp_avg", (3, 3))):
        with pytest.raises(CheckpointError, match="fits no parameter"):
            restore_optimizer(optimizer, network, {name: torch.zeros(shape)})


def test_what_cannot_be_read_just_now_is_not_taken_for_damaged(tmp_path: Path) -> None:
    """It may be whole: an older one in its place would lose steps, and the newer would be removed."""
    resource = pytest.importorskip("resource", reason="limits on open files are POSIX's")
    _save(tmp_path, 1, 2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (tmp_path / "last").open("w") as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno(), hard))
        try:
            with pytest.raises(CheckpointError, match=r"cannot read .*step-000002: Too many open files; mend that"):
                resolve(tmp_path / "checkpoints" / "step-000002")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert load_checkpoint(tmp_path).step == 2


def test_a_checkpoint_of_another_version_is_refused_and_kept(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2)
    record = tmp_path / "checkpoints" / "step-000002" / "checkpoint.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "_version": 2}))
    with pytest.raises(CheckpointError, match="another version of pliant: this one reads version 1"):
        train(tiny_recipe(), tmp_path, resume=True)
    assert [folder.name for folder in steps(tmp_path)] == ["step-000002", "step-000001"]
