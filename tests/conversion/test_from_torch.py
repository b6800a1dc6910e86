"""A traced network computes what torch computes, or is refused with a message that names the culprit."""

from collections import OrderedDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from brianconv.conversion.layers import extract_graph
from brianconv.errors import DataError, ShapeError, UnsupportedLayerError
from tests.helpers.conversions import assert_same_as_torch, refuse
from tests.helpers.networks import SMALL_SHAPE, small_cnn


def test_small_cnn_equals_torch():
    assert_same_as_torch(small_cnn(), SMALL_SHAPE)


class FunctionalForms(nn.Module):
    """Functional and method forms, nested modules, view with the batch size."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, 4, 3, padding="same", dilation=2, bias=False), nn.BatchNorm2d(4))
        self.conv = nn.Conv2d(4, 6, 3)
        self.fc1 = nn.Linear(6 * 2 * 3, 8)
        self.norm = nn.BatchNorm1d(8)
        self.fc2 = nn.Linear(8, 5)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = functional.relu(self.block(x), inplace=True)
        x = functional.avg_pool2d(torch.relu(self.conv(x)), 2)
        x = self.dropout(x.view(x.size(0), -1))
        x = self.norm(self.fc1(x)).relu()
        return self.fc2(functional.dropout(x, training=self.training).reshape(-1, 8))


@pytest.fixture
def functional_forms():
    torch.manual_seed(0)
    model = FunctionalForms()
    for norm in (model.block[1], model.norm):
        nn.init.normal_(norm.running_mean, std=0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.normal_(norm.bias, std=0.1)
    return model


def test_functional_method_and_nested_forms_equal_torch(functional_forms):
    assert_same_as_torch(functional_forms, (1, 7, 8))


def test_layers_are_named_after_modules(functional_forms):
    graph = extract_graph(functional_forms, (1, 7, 8))
    assert graph.names == ["input", "block_0", "conv", "fc1", "fc2"]
    assert [layer.rectified for layer in graph.layers] == [True, True, True, False]


def test_names_become_identifiers():
    names = ["0", "input", "schicht_ä", "_private"]
    model = nn.Sequential(OrderedDict((name, nn.Sequential(nn.Linear(4, 4), nn.ReLU())) for name in names))
    assert extract_graph(model, (4,)).names[1:] == ["layer_0_0", "input_0", "schicht_0", "layer_private_0"]


def test_the_module_is_not_changed(functional_forms):
    functional_forms.train()
    before = {key: value.clone() for key, value in functional_forms.state_dict().items()}
    extract_graph(functional_forms, (1, 7, 8))
    assert functional_forms.training and functional_forms.block[1].training
    for key, value in functional_forms.state_dict().items():
        assert torch.equal(value, before[key]), key


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.data())
def test_random_convolutions_equal_torch(data):
    draw = data.draw
    groups = draw(st.sampled_from([1, 2, 3]))
    conv = nn.Conv2d(
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 3)),
        (draw(st.integers(1, 3)), draw(st.integers(1, 4))),
        stride=(draw(st.integers(1, 3)), draw(st.integers(1, 2))),
        padding=(draw(st.integers(0, 2)), draw(st.integers(0, 3))),
        dilation=(draw(st.integers(1, 2)), draw(st.integers(1, 3))),
        groups=groups,
        bias=draw(st.booleans()),
    )
    pool = nn.AvgPool2d(draw(st.integers(1, 2)), stride=draw(st.integers(1, 2)), padding=0)
    shape = (conv.in_channels, draw(st.integers(7, 12)), draw(st.integers(10, 14)))
    assert_same_as_torch(nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten()), shape)


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("model", "shape", "error", "words"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.GRU(4, 4)), (4,), UnsupportedLayerError,
         ["'1'", "GRU", "memory of its own", "supported: Linear"]),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)), (1, 8, 8), UnsupportedLayerError,
         ["'1' (MaxPool2d)", "put a ReLU before"]),
        (nn.Sequential(nn.Linear(4, 4), nn.Sigmoid()), (4,), UnsupportedLayerError, ["Sigmoid"]),
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4, track_running_stats=False)), (4,), UnsupportedLayerError,
         ["'1'", "statistics of the batch"]),
        (nn.Sequential(OrderedDict({"lambda": nn.Linear(4, 4)})), (4,), UnsupportedLayerError, ["'lambda'", "rename"]),
        (Branching(), (4,), UnsupportedLayerError, ["Branching", "traced"]),
        (nn.Sequential(nn.Linear(4, 4)), (5,), ShapeError, ["'0'", "4 input features", "(5,)"]),
        (nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 8, 8), ShapeError, ["3 input channels", "(1, 8, 8)"]),
        (nn.Sequential(nn.Conv2d(1, 4, 9)), (1, 8, 8), ShapeError, ["larger"]),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(6, 2)), (1, 8, 8), ShapeError, ["'1'"]),
        (nn.Sequential(nn.ReLU()), (4,), DataError, ["no layer with weights"]),
    ],
)  # fmt: skip
def test_refusals_name_the_layer_and_the_remedy(model, shape, error, words):
    refuse(model, shape, error, *words)


def test_weights_that_are_not_finite_are_refused():
    model = small_cnn()
    with torch.no_grad():
        model[2].weight[0, 0, 0, 0] = float("nan")
    refuse(model, SMALL_SHAPE, DataError, "'2'", "1 weights", "NaN")


def test_something_else_than_a_module_is_refused():
    with pytest.raises(UnsupportedLayerError, match="dict"):
        extract_graph({"weight": 1}, (4,))
