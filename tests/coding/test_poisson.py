"""Poisson input: binomial counts, the same for any number of jobs."""

import numpy as np

from brianconv import Simulation, simulate
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
