"""Weights of a few bits."""

import numpy as np

from brianconv import simulate
from brianconv.conversion.convert import convert
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn


def test_few_bits_change_the_spiking_network_and_not_what_it_is_compared_with(numpy_target):
    model, images = small_cnn(), dyadic_images(5, SMALL_SHAPE)
    scores = [simulate(convert(model, images, weight_bits=b), images, 5).ann_scores for b in (None, 3)]
    np.testing.assert_array_equal(*scores)
