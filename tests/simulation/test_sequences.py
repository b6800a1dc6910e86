"""Images one after another without a reset: films, and one long run, in both modes."""

import numpy as np
import pytest

from brianconv import convert, simulate
from brianconv.errors import ParameterError
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn

N_STEPS, FRAMES = 7, 3


@pytest.fixture
def films():
    """Two films of three frames, one after the other."""
    return dyadic_images(2 * FRAMES, SMALL_SHAPE)


def layer(recording, name="layer_0"):
    return recording.potentials[name].values


def test_a_still_film_is_one_long_image(numpy_target, small_spiking, films):
    still = np.repeat(films[:1], FRAMES, axis=0)
    names = {"record_potentials": ["layer_0", "layer_2"]}
    film = simulate(small_spiking, still, N_STEPS, reset_every=FRAMES, **names)
    image = simulate(small_spiking, still[:1], N_STEPS * FRAMES, **names)
    for name in ("layer_0", "layer_2"):
        np.testing.assert_array_equal(layer(film, name).reshape(1, N_STEPS * FRAMES, -1), layer(image, name))
    np.testing.assert_array_equal(
        film.spike_counts_by_image.reshape(N_STEPS * FRAMES, -1), image.spike_counts_by_image[0]
    )
    counts = np.rint(film.scores * np.arange(1, N_STEPS + 1)[:, None])[:, -1]  # each frame has its own
    np.testing.assert_array_equal(counts.sum(axis=0), np.rint(image.scores[0, -1] * N_STEPS * FRAMES))


def test_frames_follow_each_other_and_films_do_not(numpy_target, small_spiking, films):
    both = simulate(small_spiking, films, N_STEPS, reset_every=FRAMES)
    alone = [simulate(small_spiking, films[k : k + FRAMES], N_STEPS, reset_every=FRAMES) for k in (0, FRAMES)]
    np.testing.assert_array_equal(both.scores, np.concatenate([r.scores for r in alone]))
    separate, endless = (simulate(small_spiking, films, N_STEPS, reset_every=every) for every in (1, None))
    assert not np.array_equal(both.spike_counts_by_image, separate.spike_counts_by_image)
    assert not np.array_equal(both.spike_counts_by_image, endless.spike_counts_by_image)
    np.testing.assert_array_equal(both.spike_counts_by_image[[0, FRAMES]], separate.spike_counts_by_image[[0, FRAMES]])
    np.testing.assert_array_equal(both.spike_counts_by_image[:FRAMES], endless.spike_counts_by_image[:FRAMES])


@pytest.mark.parametrize("every", [FRAMES, None])
def test_standalone_mode_does_the_same(numpy_target, films, every):
    spiking = convert(
        small_cnn(), normalization="none", input_shape=SMALL_SHAPE, v_init=0.25, synaptic_delay={"layer_2": 2}
    ).with_membrane("layer_0", tau_m=40, refractory=2)
    options = {"n_steps": N_STEPS, "reset_every": every, "record_potentials": ["layer_0"]}
    runtime, explicit, standalone = (
        simulate(spiking, films, mode=mode, synapses=synapses, **options)
        for mode, synapses in (("runtime", "structured"), ("runtime", "explicit"), ("standalone", "structured"))
    )
    for other in (explicit, standalone):
        np.testing.assert_array_equal(other.spike_counts_by_image, runtime.spike_counts_by_image)
        np.testing.assert_array_equal(layer(other), layer(runtime))
        np.testing.assert_array_equal(other.scores, runtime.scores)
    divided = simulate(spiking, films, mode="standalone", jobs=4, **options)
    np.testing.assert_array_equal(divided.scores, runtime.scores)


def test_spikes_of_a_frame_arrive_in_the_next_one(numpy_target, films):
    """With a delay, a reset loses what is in flight; a sequence does not."""
    spiking = convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, v_init=0.25, synaptic_delay=3)
    lost, kept = (simulate(spiking, films, 4, reset_every=every).spike_counts[:, 1:].sum() for every in (1, None))
    assert kept > lost


def test_variables_of_users_go_on_through_a_film(numpy_target, small_spiking, films):
    neuron = small_spiking.neurons["layer_0"]
    counting = small_spiking.change_neurons(
        "layer_0", equations=neuron.equations + "\nn : 1", reset=neuron.reset + "\nn += 1"
    )
    recording = simulate(
        counting, films, N_STEPS, reset_every=FRAMES, record_variables={"layer_0": ["n"]}, record_spikes=["layer_0"]
    )
    n = recording.potentials["layer_0"].variables["n"].sum(axis=2).reshape(2, -1)
    fired = recording.spike_counts_by_image[:, :, 1].reshape(2, -1)
    np.testing.assert_array_equal(n, np.cumsum(fired, axis=1) - fired)


@pytest.mark.parametrize(
    ("coding", "every", "message"),
    [
        ("phase", 3, "begins anew with every image"),
        ("ttfs", None, "begins anew with every image"),
        ("rate", 4, "6 images are no whole number of sequences of 4"),
        ("rate", 0, "reset_every is 0; it is a number of images"),
        ("rate", 1.5, "reset_every is 1.5"),
        ("rate", True, "reset_every is True"),
    ],
)
def test_what_cannot_follow_is_refused(films, coding, every, message):
    spiking = convert(small_cnn(), films, coding=coding)
    with pytest.raises(ParameterError, match=message):
        simulate(spiking, films, 10, reset_every=every)
