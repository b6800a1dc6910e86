"""Address events as frames, and through a network."""

import numpy as np
import pytest
import torch
from torch import nn

from brianconv import convert, simulate
from brianconv.datasets.events import frames_of_events
from brianconv.errors import DataError

SHAPE = (2, 3, 4)


def drawn(n=200, seed=0):
    random = np.random.default_rng(seed)
    fields = {"t": np.sort(random.integers(0, 1000, n)), "x": random.integers(0, 4, n), "y": random.integers(0, 3, n)}
    return fields | {"p": random.integers(0, 2, n)}


def test_every_event_is_in_its_frame_and_pixel():
    events = drawn()
    frames = frames_of_events(events, SHAPE, 100)
    assert frames.shape == (10, *SHAPE) and frames.sum() == 200
    expected = np.zeros((10, *SHAPE))
    for t, x, y, p in zip(*(events[name] for name in "txyp"), strict=True):
        expected[t // 100, p, y, x] += 1
    np.testing.assert_array_equal(frames, expected)
    assert frames_of_events(events, SHAPE, 100, n_frames=4).sum() == (events["t"] < 400).sum()
    np.testing.assert_array_equal(frames_of_events(events, (1, 3, 4), 100)[:, 0], frames.sum(axis=1))


@pytest.mark.parametrize("names", ["txyp", ("timestamp", "x", "y", "polarity"), ("ts", "addr_x", "addr_y", "pol")])
def test_fields_are_found_by_the_names_of_others(names):
    events = drawn()
    kinds = [np.int64, np.int16, np.int16, np.bool_]
    array = np.zeros(200, dtype=list(zip(names, kinds, strict=True)))
    for name, own in zip(names, "txyp", strict=True):
        array[name] = events[own]
    np.testing.assert_array_equal(frames_of_events(array, SHAPE, 100), frames_of_events(events, SHAPE, 100))


@pytest.mark.parametrize("mode", ["runtime", "standalone"])
def test_an_event_meets_the_weights_once(numpy_target, mode):
    """Integrate-and-fire neurons by hand: what the events of each millisecond add up to."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(24, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randint(-8, 17, parameter.shape, generator=generator) / 64)
    frames = frames_of_events(drawn(), SHAPE, 10, n_frames=100)
    spiking = convert(model, normalization="none", input_shape=SHAPE, encoding="analog")
    recording = simulate(spiking, frames, 1, mode=mode, reset_every=100, record_potentials={"layer_1": None})
    weight, bias = (p.detach().numpy() for p in model[1].parameters())
    v, potentials = np.zeros(5), []
    for frame in frames.reshape(100, -1):
        v = v + weight @ frame + bias
        potentials.append(v)
        v = v - (v >= 1 - 1e-6)
    np.testing.assert_allclose(recording.potentials["layer_1"].values[:, 0], potentials, rtol=1e-12)
    assert recording.spike_counts[:, 1].sum() > 20


@pytest.mark.parametrize(
    ("events", "shape", "interval", "n_frames", "message"),
    [
        ({"t": [0], "x": [0]}, SHAPE, 1, None, "no 'y' .or addr_y.; they have t, x"),
        ({"t": [0], "x": [4], "y": [0], "p": [0]}, SHAPE, 1, None, "x lies between 4 and 4"),
        ({"t": [-1], "x": [0], "y": [0], "p": [0]}, SHAPE, 1, None, "0 or more"),
        ({"t": [float("nan")], "x": [0], "y": [0], "p": [0]}, SHAPE, 1, None, "0 or more"),
        ({"t": [0, 1], "x": [0], "y": [0], "p": [0]}, SHAPE, 1, None, "differ in length"),
        ({"t": [0], "x": [0.5], "y": [0], "p": [0]}, SHAPE, 1, None, "one number per event"),
        (drawn(), (3, 3, 4), 1, None, "1 or 2 channels"),
        (drawn(), SHAPE, 0, None, "positive time"),
        (drawn(), SHAPE, 1, 0, "0 frames"),
        ({"t": [10**12], "x": [0], "y": [0], "p": [0]}, SHAPE, 1, None, "a longer interval"),
        (np.zeros(3), SHAPE, 1, None, "no fields"),
    ],
)
def test_damaged_events_are_refused(events, shape, interval, n_frames, message):
    with pytest.raises(DataError, match=message):
        frames_of_events(events, shape, interval, n_frames)


def test_no_events_are_a_silent_frame():
    empty = {name: np.zeros(0, dtype=int) for name in "txyp"}
    assert frames_of_events(empty, SHAPE, 1).shape == (1, *SHAPE)
