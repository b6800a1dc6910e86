"""A picture cut into square patches, and put together again."""

from __future__ import annotations

import numpy as np

from studies.hwang2021_net3.params import PATCH


def patches(picture: np.ndarray) -> np.ndarray:
    """Cut a picture (rows, columns, channels) into square patches, shape (n_patches, channels, PATCH, PATCH)."""
    n_rows, n_columns, channels = picture.shape[0] // PATCH, picture.shape[1] // PATCH, picture.shape[2]
    cut = picture.reshape(n_rows, PATCH, n_columns, PATCH, channels)
    return np.ascontiguousarray(cut.transpose(0, 2, 4, 1, 3).reshape(-1, channels, PATCH, PATCH))


def joined(images: np.ndarray, n_columns: int) -> np.ndarray:
    """Put patches together again: the inverse of `patches`."""
    n_rows, channels = len(images) // n_columns, images.shape[1]
    cut = images.reshape(n_rows, n_columns, channels, PATCH, PATCH).transpose(0, 3, 1, 4, 2)
    return cut.reshape(n_rows * PATCH, n_columns * PATCH, channels)
