"""Normalisation scales activations as declared and leaves the decisions as they are."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from brianconv import ConversionNote, simulate
from brianconv.conversion.convert import convert
from brianconv.conversion.layers import extract_graph
from brianconv.conversion.normalization import Maximum, Percentile, Unscaled, normalize
from brianconv.conversion.settings import convert_with_settings
from brianconv.errors import DataError, ParameterError, ShapeError
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn

IMAGES = dyadic_images(40, SMALL_SHAPE, seed=3)
OTHERS = dyadic_images(40, SMALL_SHAPE, seed=4)


@pytest.fixture
def graph():
    return extract_graph(small_cnn(), SMALL_SHAPE)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("method", [Maximum, partial(Percentile, 95.0)])
def test_activations_are_divided_by_their_scales(graph, method, per_channel):
    normalized = normalize(graph, IMAGES, method(per_channel=per_channel))
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
    largest, percentile = normalize(graph, IMAGES, "max"), normalize(graph, IMAGES, Percentile(100.0))
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
        (
            IMAGES * 255,
            {},
            DataError,
            r"8-bit.*by 255.*inside its forward.*beside the weights.*'analog'",
        ),
        (IMAGES - 0.5, {}, DataError, r"\[-0.5, 0.5\]"),
        (IMAGES * np.nan, {}, DataError, "NaN"),
        (IMAGES, {"normalization": "mean"}, ParameterError, "'mean' is unknown; choose one of percentile, max, none"),
    ],
)
def test_refusals(graph, images, options, error, message):
    with pytest.raises(error, match=message):
        normalize(graph, images, **options)


# scores below 0


def classifier(shift=0.0):
    """Scores of four classes, each the sum of a quarter of the pixels, plus a constant."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(16))
        model[1].bias.zero_()
        model[3].weight.copy_(torch.eye(4).repeat_interleave(4, dim=1) * 2 - 0.5)
        model[3].bias.fill_(shift)
    return model.eval()


def quarters(n_images, seed=0):
    images = np.random.default_rng(seed).random((n_images, 1, 4, 4)) * 0.4
    for k in range(n_images):
        images[k, 0, k % 4] += 0.5
    return images


@pytest.mark.parametrize(
    ("coding", "options"),
    [("rate", {}), ("poisson", {}), ("ttfs", {"readout": "first_spike", "window": 80, "tau": 16})],
)
@pytest.mark.parametrize("method", ["max", "percentile"])
def test_scores_below_zero_lose_no_decision(numpy_target, coding, options, method):
    images, calibration = quarters(12, seed=1), quarters(60)
    n_steps = None if coding == "ttfs" else 100
    expected = simulate(
        convert(classifier(), calibration, coding=coding, normalization=method, **options), images, n_steps
    )
    with pytest.warns(ConversionNote, match=r"is added to all outputs: the highest score of 60 of 60 .* not above 0"):
        lowered = convert(classifier(-25.0), calibration, coding=coding, normalization=method, **options)
    recording = simulate(lowered, images, n_steps)
    with torch.no_grad():
        scores = classifier(-25.0)(torch.as_tensor(images, dtype=torch.float32)).numpy()
    np.testing.assert_array_equal(recording.decisions, scores.argmax(axis=1))
    np.testing.assert_array_equal(expected.decisions, scores.argmax(axis=1))
    np.testing.assert_allclose(recording.ann_scores * recording.output_scale, scores, rtol=1e-5)
    assert "is added to all outputs" in lowered.describe()
    winners = lowered.normalized.ann.forward(calibration).max(axis=1) * lowered.normalized.output_scale
    np.testing.assert_allclose(winners.min() / winners.max(), 0.1, rtol=1e-5)


def test_an_output_of_mixed_signs_is_left_alone():
    spiking = convert(classifier(), quarters(60))
    assert classifier()(torch.as_tensor(quarters(60), dtype=torch.float32)).min() < 0
    assert spiking.normalized.output_shift == 0 and "added" not in spiking.describe()


def test_codes_whose_output_accumulates_need_no_constant():
    spiking = convert(classifier(-25.0), quarters(60), coding="phase")
    assert spiking.normalized.output_shift == 0
    scores = spiking.normalized.ann_scores(quarters(12)) * spiking.normalized.output_scale
    with torch.no_grad():
        expected = classifier(-25.0)(torch.as_tensor(quarters(12), dtype=torch.float32)).numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert np.abs(spiking.normalized.ann_scores(quarters(60))).max() <= 1.01


def test_weights_that_are_taken_as_they_are_say_what_is_lost():
    with pytest.warns(ConversionNote, match=r"60 of 60 calibration images .* normalization='none' takes weights as"):
        spiking = convert(classifier(-25.0), quarters(60), normalization="none")
    assert spiking.normalized.output_shift == 0 and "no output fires" in spiking.describe()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"percentile": 0.0}, "above 0"),
        ({"percentile": 101}, "at most 100"),
        ({"per": "pixel"}, "layer, channel"),
        ({"per": "layer", "per_channel": True}, "leave one out"),
        ({"per_channel": "yes"}, "True or False"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ParameterError, match=message):
        convert_with_settings(small_cnn(), IMAGES, "rate", settings)


@pytest.mark.parametrize(
    ("settings", "normalization"),
    [
        ({}, Percentile()),
        ({"percentile": 99.0}, Percentile(99.0)),
        ({"per": "channel"}, Percentile(per_channel=True)),
        ({"normalization": "max", "per_channel": True}, Maximum(per_channel=True)),
        ({"normalization": "none", "percentile": 99.0}, Unscaled()),
    ],
)
def test_settings_stand_for_an_object(settings, normalization):
    flat = convert_with_settings(small_cnn(), IMAGES, "rate", settings)
    given = convert(small_cnn(), IMAGES, normalization=normalization)
    assert flat.normalized.method == given.normalized.method
    np.testing.assert_array_equal(flat.normalized.graph.forward(OTHERS), given.normalized.graph.forward(OTHERS))
