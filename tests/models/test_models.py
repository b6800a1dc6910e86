"""The networks have the sizes that their papers state, and can be converted; their stored weights fit them."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import fx, nn

from brianconv import datasets, verify
from brianconv.conversion.convert import convert
from brianconv.conversion.layers import extract_graph
from brianconv.errors import ParameterError
from models.curves import draw, trainings
from models.layers import Residual
from models.train import OPTIMIZERS, WEIGHTS, find_network

README = (WEIGHTS.parent / "README.md").read_text()
FILES = ("hwang2021", "kim2018", "park2020", "datta2021")
NAMES = [f"{file}.{name}" for file in FILES for name in importlib.import_module(f"models.{file}").NETWORKS]
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32), "cifar100": (3, 32, 32), "svhn": (3, 32, 32)}
WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def build(name: str) -> nn.Module:
    return find_network(name)[0]().eval()


def image_shape(name: str) -> tuple[int, ...]:
    return SHAPES[find_network(name)[1].data]


def weighted(model: nn.Module) -> list[nn.Module]:
    """Weight layers without the 1 x 1 convolutions of shortcuts."""
    return [m for path, m in model.named_modules() if isinstance(m, WEIGHTED) and "shortcut" not in path]


def folded_parameters(model: nn.Module) -> int:
    """Parameters once batch normalisation has become a bias of the layer before it."""
    layers = [m for m in model.modules() if isinstance(m, WEIGHTED)]
    biases = [m.bias for m in layers if m.bias is not None] + [m.bias for m in model.modules() if isinstance(m, NORMS)]
    return sum(m.weight.numel() for m in layers) + sum(b.numel() for b in biases)


def outputs_of(model: nn.Module, shape: tuple[int, ...], kinds: tuple[type[nn.Module], ...]) -> list[int]:
    """Return the number of output values of each module of these kinds."""
    sizes: list[int] = []
    for module in model.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda module, inputs, output: sizes.append(output[0].numel()))
    with torch.no_grad():
        model(torch.rand(1, *shape))
    return sizes


@pytest.mark.parametrize("name", NAMES)
def test_scores_have_one_value_a_class(name):
    recipe = find_network(name)[1]
    with torch.no_grad():
        scores = build(name)(torch.rand(2, *image_shape(name)))
    classes = (100,) if recipe.data == "cifar100" else (10,)
    assert tuple(scores.shape[1:]) == (image_shape(name) if recipe.loss == "mean_squared_error" else classes)
    assert torch.isfinite(scores).all()


@pytest.mark.parametrize("name", NAMES)
def test_batch_normalisation_follows_a_weight_layer_directly(name):
    traced = fx.symbolic_trace(build(name))
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        if node.op == "call_module" and isinstance(modules[node.target], NORMS):
            before = modules[node.args[0].target]
            assert isinstance(before, WEIGHTED) and before.bias is None


@pytest.mark.parametrize("name", NAMES)
def test_recipe_is_complete(name):
    recipe = find_network(name)[1]
    assert recipe.data in datasets.NAMES and recipe.optimizer in OPTIMIZERS and recipe.differs
    assert bool(recipe.mean) == bool(recipe.std) == name.startswith("datta2021")


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("hwang2021.net1", 4), ("hwang2021.net2", 8), ("hwang2021.net3", 8), ("hwang2021.resnet20", 20),
        ("kim2018.mlp", 3), ("kim2018.mnist_cnn", 3), ("kim2018.nin", 9), ("kim2018.cifar_cnn", 6),
        ("kim2018.resnet20", 20), ("kim2018.resnet32", 32), ("kim2018.plain32", 32), ("park2020.vgg16", 16),
        ("datta2021.vgg6", 6), ("datta2021.vgg9", 9), ("datta2021.vgg11", 11), ("datta2021.vgg16", 16),
    ],
)  # fmt: skip
def test_number_of_weight_layers(name, layers):
    assert len(weighted(build(name))) == layers


def test_parameters_of_kims_networks_as_in_table_3():
    assert folded_parameters(build("kim2018.mnist_cnn")) == 29_816
    assert round(folded_parameters(build("kim2018.mlp")) / 1e6, 1) == 2.4
    assert round(folded_parameters(build("kim2018.cifar_cnn")) / 1e6, 1) == 2.2


def test_neurons_of_kims_networks_as_in_table_3():
    mlp = outputs_of(build("kim2018.mlp"), (1, 28, 28), (nn.Linear,))
    assert 784 + sum(mlp) == 3_194
    cnn = outputs_of(build("kim2018.cifar_cnn"), (3, 32, 32), (*WEIGHTED, nn.MaxPool2d, nn.Flatten))
    assert 3 * 32 * 32 + sum(cnn) == 118_282


def test_convolutions_of_the_residual_networks():
    """Kim et al., section 6: 7 + 6 + 6 and 11 + 10 + 10, the last stage with He et al.'s 64 channels."""
    for depth, counts in ((20, (7, 6, 6)), (32, (11, 10, 10))):
        widths = [m.out_channels for m in weighted(build(f"kim2018.resnet{depth}")) if isinstance(m, nn.Conv2d)]
        assert tuple(widths.count(n) for n in (16, 32, 64)) == counts


def test_plain_network_is_the_residual_one_without_shortcuts():
    shapes = [
        [tuple(m.weight.shape) for m in weighted(build(name))] for name in ("kim2018.resnet32", "kim2018.plain32")
    ]
    assert shapes[0] == shapes[1]
    assert not any(isinstance(m, Residual) for m in build("kim2018.plain32").modules())


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("datta2021")])
def test_dattas_networks_have_no_biases_and_average(name):
    model = build(name)
    assert all(m.bias is None for m in weighted(model))
    assert not any(isinstance(m, (*NORMS, nn.MaxPool2d)) for m in model.modules())


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda p: p.stem)
def test_stored_weights_fit_their_network(path):
    result = json.loads(path.with_suffix(".json").read_text())
    assert result["network"].replace(".", "_") == path.stem
    stored = load_file(path)
    model = build(result["network"])
    model.load_state_dict({key: value.float() for key, value in stored.items()})
    assert all(torch.isfinite(value).all() for value in stored.values())
    assert all(value.dtype == torch.float16 for value in stored.values() if value.is_floating_point())


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.json")), ids=lambda path: path.stem)
def test_readme_shows_what_is_stored(path):
    stored = json.loads(path.read_text())
    file, name = stored["network"].split(".")
    image_output = "test_mean_squared_error" in stored
    epochs = stored["test_mean_squared_error_by_epoch" if image_output else "test_accuracy_by_epoch"]
    result = (
        f"mean squared error {stored['test_mean_squared_error']:.5f}"
        if image_output
        else f"{100 * stored['test_accuracy']:.2f} %"
    )
    parameters = f"{folded_parameters(build(stored['network'])):,}"
    row = next(line for line in README.splitlines() if line.startswith(f"| `{file}.{name}`"))
    _, _, _, shown, n_epochs, _, n_parameters, _ = (cell.strip() for cell in row.split("|"))
    assert (shown, n_epochs, n_parameters) == (result, str(len(epochs)), parameters)


def test_learning_curves_are_drawn_to_the_stored_accuracy():
    stored = trainings()
    figure = draw(stored)
    titles = [axes.get_title() for axes in figure.axes if axes.lines]
    assert titles == [training["network"] for training in stored]
    for axes, training in zip(figure.axes, stored, strict=False):
        if "test_accuracy" in training:
            in_bfloat16 = axes.lines[0].get_ydata()[-1]
            assert in_bfloat16 == pytest.approx(100 * training["test_accuracy"], abs=0.1)


def test_weights_stay_small():
    assert sum(path.stat().st_size for path in Path(WEIGHTS).iterdir()) < 60e6


def test_unknown_networks_are_named():
    with pytest.raises(ParameterError, match=r"no network 'kim2018.net9'; models/kim2018.py has mlp, mnist_cnn"):
        find_network("kim2018.net9")
    with pytest.raises(ParameterError, match=r"the files are datta2021, hwang2021, kim2018, park2020"):
        find_network("mine.net")


STORED = sorted(path.stem.replace("_", ".", 1) for path in WEIGHTS.glob("*.safetensors"))


@pytest.mark.parametrize("name", [name for name in NAMES if "cifar100" not in name])
def test_every_network_becomes_the_same_graph(name):
    torch.manual_seed(0)
    model, shape = build(name), image_shape(name)
    images = torch.rand(1, *shape)
    with torch.no_grad():
        expected = model(images).numpy()
    found = extract_graph(model, shape).forward(images.numpy())
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1.0, np.abs(expected).max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", STORED)
def test_stored_networks_equal_the_reference_spike_for_spike(name):
    """Weights rounded to multiples of 2^-10, on which all backends compute exactly."""
    model, shape = build(name), image_shape(name)
    model.load_state_dict(load_file(WEIGHTS / f"{name.replace('.', '_')}.safetensors"))
    images = np.random.default_rng(0).integers(0, 257, (2, *shape)) / 256
    spiking = convert(model, images, coding="rate", v_init=0.5)
    rounded = spiking.graph.map_connections(lambda _, connection: _rounded(connection))
    spiking = replace(spiking, normalized=replace(spiking.normalized, graph=rounded))
    outcome = verify(spiking, images, 15, mode="standalone")
    assert outcome.passed and outcome.n_spikes > 1000, str(outcome)


def _rounded(connection):
    def dyadic(connectivity):
        if not connectivity.weighted:
            return connectivity
        bias = getattr(connectivity, "bias", None)
        changed = {"weight": np.rint(connectivity.weight * 1024) / 1024}
        return replace(connectivity, **changed, **({} if bias is None else {"bias": np.rint(bias * 1024) / 1024}))

    return replace(connection, chain=tuple(dyadic(connectivity) for connectivity in connection.chain))
