"""What every loader returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from brianconv.errors import DataError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one split.

    Attributes
    ----------
    name : str
    images : array of float32, shape (n_images, channels, rows, columns), or (n_images, channels, length) of signals
        In [0, 1].
    labels : array of int64, shape (n_images,)
    notes : tuple of str
        What a reader of results should know, such as files that are not the published ones.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def head(self, n_images: int | None) -> Dataset:
        """Return the first images, or all for None."""
        return self if n_images is None else replace(self, images=self.images[:n_images], labels=self.labels[:n_images])

    def standardized(self, mean: Sequence[float], std: Sequence[float]) -> Dataset:
        """Return images (pixels - mean) / std, with one number per channel; the same data set if both are empty."""
        if not mean and not std:
            return self
        n_channels = self.images.shape[1]
        if len(mean) != n_channels or len(std) != n_channels:
            raise DataError(
                f"data set {self.name!r} has {n_channels} channels, got {len(mean)} means and {len(std)} deviations; "
                "give one of each per channel"
            )
        if not all(np.isfinite([*mean, *std])) or min(std) <= 0:
            raise DataError(f"mean {mean} and std {std} by channel: they must be finite, and deviations above 0")
        column = (-1, *[1] * (self.images.ndim - 2))
        shift, scale = (np.array(values, dtype=np.float32).reshape(column) for values in (mean, std))
        return replace(self, images=(self.images - shift) / scale)
