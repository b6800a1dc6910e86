"""The 8 x 8 digits that come with scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from brianconv.datasets.dataset import Dataset
from brianconv.errors import DataError

N_TEST = 360


def load_digits(split: str, root: Path) -> Dataset:  # noqa: ARG001 (part of the package, not of the data root)
    """Load one split of the 1,797 digits, shuffled with a fixed seed."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError("the data set 'digits' is part of scikit-learn: pip install 'brianconv[demo]'") from error
    pixels, labels = datasets.load_digits(return_X_y=True)
    images = (pixels / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(0).permutation(len(images))
    chosen = order[:N_TEST] if split == "test" else order[N_TEST:]
    return Dataset("digits", images[chosen], labels[chosen].astype(np.int64))
