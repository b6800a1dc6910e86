"""Normalisation scales activations as declared and leaves the decisions as they are."""

import numpy as np
import pytest
from conftest import SMALL_SHAPE, dyadic_images, small_cnn

from brianconv.conversion.from_torch import extract_graph
from brianconv.conversion.normalization import normalize
from brianconv.errors import DataError, ParameterError, ShapeError

IMAGES = dyadic_images(40, SMALL_SHAPE, seed=3)
OTHERS = dyadic_images(40, SMALL_SHAPE, seed=4)


@pytest.fixture
def graph():
    return extract_graph(small_cnn(), SMALL_SHAPE)


@pytest.mark.parametrize("per", ["layer", "channel"])
@pytest.mark.parametrize("method", ["max", "percentile"])
def test_activations_are_divided_by_their_scales(graph, method, per):
    normalized = normalize(graph, IMAGES, method, 95.0, per)
    before, after = next(graph.activations(OTHERS)), next(normalized.graph.activations(OTHERS))
    for name, scale in normalized.activation_scale.items():
        np.testing.assert_allclose(after[name] * scale, before[name], atol=1e-12)
    np.testing.assert_array_equal(normalized.graph.forward(OTHERS).argmax(axis=1), graph.forward(OTHERS).argmax(axis=1))


def test_the_maximum_becomes_one(graph):
    normalized = normalize(graph, IMAGES, "max")
    for name, values in next(normalized.graph.activations(IMAGES)).items():
        if name != "input":
            assert values.max() == pytest.approx(1.0, rel=1e-6), name


def test_a_percentile_of_100_is_the_maximum(graph):
    largest, percentile = normalize(graph, IMAGES, "max"), normalize(graph, IMAGES, "percentile", 100.0)
    for name, scale in largest.activation_scale.items():
        np.testing.assert_array_equal(percentile.activation_scale[name], scale)


def test_none_leaves_the_weights(graph):
    assert normalize(graph, None, "none").graph is graph


def test_a_silent_layer_is_left_unscaled_with_a_warning(graph):
    layer = graph.layers[0]
    silent = layer.connections[0].chain[0]
    graph = graph.map_connections(
        lambda which, c: c if which.name != layer.name else type(c)(c.source, (type(silent)(
            silent.weight * 0 - 1, silent.bias * 0, silent.input_shape, silent.stride, silent.padding),))
    )  # fmt: skip
    with pytest.warns(UserWarning, match="'layer_0' is silent"):
        normalized = normalize(graph, IMAGES)
    assert normalized.activation_scale["layer_0"] == 1


@pytest.mark.parametrize(
    ("images", "options", "error", "message"),
    [
        (None, {}, DataError, "no calibration images"),
        (IMAGES[:0], {}, DataError, "no calibration images"),
        (IMAGES[:, :1], {}, ShapeError, r"\(40, 1, 11, 9\).*\(n_images, 2, 11, 9\)"),
        (IMAGES * 255, {}, DataError, "divide 8-bit pixels by 255"),
        (IMAGES - 0.5, {}, DataError, r"\[-0.5, 0.5\]"),
        (IMAGES * np.nan, {}, DataError, "NaN"),
        (IMAGES, {"method": "mean"}, ParameterError, "'mean' is unknown; choose one of percentile, max, none"),
        (IMAGES, {"percentile": 0.0}, ParameterError, "above 0"),
        (IMAGES, {"per": "pixel"}, ParameterError, "layer, channel"),
    ],
)
def test_refusals(graph, images, options, error, message):
    with pytest.raises(error, match=message):
        normalize(graph, images, **options)
