"""Random numbers of Poisson input and noise."""

import numpy as np

from brianconv.coding.random_numbers import normal, uniform


def test_random_numbers_are_uniform_and_normal():
    drawn = uniform(3, np.arange(20)[:, None, None], np.arange(1, 51)[:, None], np.arange(200))
    assert drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.003 and abs(drawn.var() - 1 / 12) < 0.001
    assert len(np.unique(drawn)) == drawn.size
    for axis in range(3):
        pairs = np.moveaxis(drawn, axis, 0)
        assert abs(np.corrcoef(pairs[:-1].ravel(), pairs[1:].ravel())[0, 1]) < 0.01
    charge = normal(3, 0, np.arange(1, 501)[:, None], np.arange(200))
    assert abs(charge.mean()) < 0.01 and abs(charge.std() - 1) < 0.01 and abs((charge**3).mean()) < 0.05
