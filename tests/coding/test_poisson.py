"""Poisson input: binomial counts, the same for any number of jobs."""

import numpy as np
import pytest

from brianconv import Simulation, simulate
from brianconv.errors import ParameterError
from tests.helpers.codings import fired, one_hidden_layer, spiking_cnn
from tests.helpers.networks import SMALL_SHAPE, dyadic_images


def test_poisson_counts_are_binomial_and_repeatable(numpy_target):
    pixels = np.repeat(np.array([0.0, 0.1, 0.5, 0.9, 1.0]), 40)[None]
    spiking = one_hidden_layer(np.eye(200), "poisson")
    counts, again, other = (
        fired(simulate(spiking, pixels, 500, seed=seed, record_spikes=["input"]), "input")[0].sum(axis=0)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(counts, again)
    assert not np.array_equal(counts, other)
    assert np.all(counts[:40] == 0) and np.all(counts[160:] == 500)
    for k, chance in enumerate((0.1, 0.5, 0.9), start=1):
        group = counts[40 * k : 40 * (k + 1)]
        deviation = np.sqrt(500 * chance * (1 - chance))
        assert abs(group.mean() - 500 * chance) < 4 * deviation / np.sqrt(40)
        assert 0.6 < group.std() / deviation < 1.5


def test_poisson_spikes_of_an_image_do_not_depend_on_jobs():
    images = dyadic_images(4, SMALL_SHAPE)
    simulation = Simulation(spiking_cnn("poisson"), "standalone")
    whole, divided = (simulation.run(images, 30, jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(whole.scores, divided.scores)


def test_some_images_of_a_run_are_simulated_again_with_the_same_spikes(numpy_target):
    images, spiking = dyadic_images(4, SMALL_SHAPE), spiking_cnn("poisson")
    for mode in ("runtime", "standalone"):
        simulation = Simulation(spiking, mode)
        whole = simulation.run(images, 20)
        jobs = (1, 2) if mode == "standalone" else (1,)
        for n in jobs:
            again = simulation.run(images[2:], 20, first_image=2, jobs=n)
            np.testing.assert_array_equal(again.spike_counts_by_image, whole.spike_counts_by_image[2:])
            assert not np.array_equal(simulation.run(images[2:], 20).scores, whole.scores[2:])
    for wrong in (-1, 1.5, 2**31, True, "0"):
        with pytest.raises(ParameterError, match="first_image"):
            simulation.run(images, 20, first_image=wrong)
