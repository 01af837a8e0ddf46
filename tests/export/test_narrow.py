from __future__ import annotations

from collections import Counter
from unittest.mock import patch

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.devices.errors import ExportError
from pliant.export import template as exporting
from pliant.export.engine import Engine
from pliant.export.feeds import Wide, cut, fp32_feed
from pliant.export.narrow import narrow
from pliant.export.parity import compare_outputs, expected_outputs
from pliant.export.template import export_template, widest_template
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.runtime.graphs.graph import parse_graph

from .conftest import Exported
from .making import SIZE, deployed, statistics, supernet, waves


def configs(space: SearchSpace) -> st.SearchStrategy[SubnetConfig]:
    encoder = st.tuples(*[st.sampled_from(space.encoder_widths)] * space.stages)
    decoders = st.tuples(*[st.tuples(st.just(task), st.sampled_from(space.decoder_widths)) for task in space.tasks])
    return st.builds(SubnetConfig, encoder, decoders)


@given(st.data())
@settings(max_examples=6)
def test_every_narrowed_graph_does_what_its_subnet_does_in_torch(resnet: Exported, data: st.DataObject) -> None:
    config = data.draw(configs(resnet.net.space))
    _check_against_torch(resnet, config, seed=data.draw(st.integers(0, 9)))


@given(st.data())
@settings(max_examples=3)
def test_depthwise_convolutions_are_regrouped(mobilenet: Exported, data: st.DataObject) -> None:
    _check_against_torch(mobilenet, data.draw(configs(mobilenet.net.space)), seed=1)


@given(st.data())
@settings(max_examples=3)
def test_a_convolution_that_classifies_is_narrowed(convolved: Exported, data: st.DataObject) -> None:
    _check_against_torch(convolved, data.draw(configs(convolved.net.space)), seed=2)


def _check_against_torch(exported: Exported, config: SubnetConfig, seed: int) -> None:
    net, moments, images = exported.net, statistics(exported.net, config, seed), waves(2, seed)
    module = deployed(net, config, moments)
    feed = fp32_feed(exported.template, Wide(net), config, moments)
    outputs = Engine(feed, module.output_names, "the subnet")(images)
    parity = compare_outputs(net.tasks, expected_outputs(module, images), outputs)
    assert all(found.passed for found in parity.values()), parity


def test_narrowing_gives_the_graph_that_exporting_the_subnet_gives(mobilenet: Exported) -> None:
    net = mobilenet.net
    config = SubnetConfig((0.5, 0.75, 1.0, 0.5), (("depth", 0.5),))
    direct = export_template(deployed(net, config), SIZE)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in direct.graph.initializer}
    assert narrow(mobilenet.template, shapes) == direct


def test_supernets_of_one_shape_share_a_template_whatever_their_weights(convolved: Exported) -> None:
    """Exported by itself the other one's is the same; what is given out is a copy."""
    other = supernet("classification", classifier="convolution", seed=1)
    assert export_template(deployed(other, other.space.widest), SIZE) == convolved.template
    with patch.object(exporting, "export_template", side_effect=AssertionError("exported again")):
        del widest_template(convolved.net).graph.node[:]
        assert widest_template(other) == convolved.template
        with pytest.raises(AssertionError, match="exported again"):
            widest_template(supernet("classification"))


def test_batch_norm_stays_and_nothing_of_this_machine_is_left(resnet: Exported) -> None:
    graph = resnet.template.graph
    operators = Counter(node.op_type for node in graph.node)
    layers = sum(1 for name in resnet.net.slim_layers() if name.rpartition(".")[2] in ("1", "bn1", "bn2"))
    assert operators["BatchNormalization"] == layers > 10
    assert {"Shape", "Identity", "Constant", "ReduceMean"}.isdisjoint(operators)
    assert not any(node.metadata_props or node.doc_string for node in graph.node)
    data = resnet.template.SerializeToString()
    assert b"/home" not in data
    assert b".py" not in data


def test_initializers_are_the_parameters_by_name_and_hold_no_data(resnet: Exported) -> None:
    state = {name for name in resnet.net.state_dict() if not name.endswith("num_batches_tracked")}
    external = {t.name for t in resnet.template.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}
    assert external == state
    parse_graph(resnet.template.SerializeToString())


def test_the_input_is_cast_before_it_is_transposed(resnet: Exported) -> None:
    first = next(node for node in resnet.template.graph.node if "images" in node.input)
    assert first.op_type == "Cast"


def test_any_batch_size_runs(resnet: Exported) -> None:
    config = resnet.net.space.narrowest
    feed = fp32_feed(resnet.template, Wide(resnet.net), config, statistics(resnet.net, config))
    engine = Engine(feed, ["segmentation", "classification"], "the subnet")
    assert [engine(waves(count))["segmentation"].shape for count in (1, 3)] == [(1, *SIZE), (3, *SIZE)]


def test_views_and_own_arrays_feed_each_initializer_exactly_once(resnet: Exported) -> None:
    config = resnet.net.space.narrowest
    wide = Wide(resnet.net)
    feed = fp32_feed(resnet.template, wide, config, statistics(resnet.net, config))
    assert feed.views.keys().isdisjoint(feed.own)
    assert feed.views.keys() | feed.own.keys() == feed.arrays.keys()
    for name, view in feed.views.items():
        assert (cut(wide.tensors[view.tensor], view.ranges) == feed.arrays[name]).all()
        assert view.shape(wide.tensors[view.tensor].shape) == feed.arrays[name].shape


def test_a_missing_initializer_is_named(resnet: Exported) -> None:
    with pytest.raises(ExportError, match=r"the graph needs 'encoder\."):
        narrow(resnet.template, {})


def test_an_initializer_of_another_rank_is_refused(resnet: Exported) -> None:
    shapes = {tensor.name: (1, 1, 1, 1, 1) for tensor in resnet.template.graph.initializer}
    with pytest.raises(ExportError, match="5 axes"):
        narrow(resnet.template, shapes)


def test_channels_that_split_a_group_are_refused() -> None:
    weight = onnx.TensorProto(name="w", dims=[8, 2, 1, 1], data_type=onnx.TensorProto.FLOAT)
    weight.data_location = onnx.TensorProto.EXTERNAL
    node = onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="grouped", group=4)
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [], [weight]))
    assert narrow(model, {"w": (4, 2, 1, 1)}).graph.node[0].attribute[0].i == 2
    with pytest.raises(ExportError, match="split one of its 4 groups"):
        narrow(model, {"w": (3, 2, 1, 1)})
