"""A fixed weighted sum other than a convolution: bilinear upsampling, and averages over windows that differ in size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from brianconv.connectivity.base import Connectivity, Converter, Edges, Shape, check_image
from brianconv.errors import ParameterError, ShapeError

MOST_PLACES = 4096  # of an image: the matrix is built from that many unit vectors
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class WeightedSum(Connectivity):
    """Every output is a sum of inputs, each times a weight of 0 or more; nothing in it is learned.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
    matrix : sparse array, shape (n_outputs, n_inputs)
        In torch's order. Weights are not negative, so that activations give outputs that are not negative.

    Examples
    --------
    >>> mean = WeightedSum((2,), (1,), sparse.csr_array([[0.5, 0.5]]))
    >>> mean.apply(np.array([[1.0, 3.0]])).tolist()
    [[2.0]]
    """

    input_shape: Shape
    output_shape: Shape
    matrix: Any

    def __post_init__(self) -> None:
        expected = (math.prod(self.output_shape), math.prod(self.input_shape))
        if self.matrix.shape != expected:
            raise ShapeError(f"the matrix has shape {self.matrix.shape}, not {expected}")
        matrix = sparse.csr_array(self.matrix)
        matrix.sum_duplicates()
        if matrix.nnz and matrix.data.min() < 0:
            raise ParameterError(f"the lowest weight is {matrix.data.min()}; weights must not be negative")
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def of_each_channel(cls, shape: Shape, operation: Callable[[Any], Any]) -> WeightedSum:
        """Return the map of a torch operation that treats each channel of an image separately and alike.

        Raises
        ------
        ShapeError
            If torch refuses it, or the matrix is too large to be made.
        """
        import torch

        check_image(shape)
        channels, rows, columns = shape
        if rows * columns > MOST_PLACES:
            raise ShapeError(f"images of {rows} x {columns} have more than {MOST_PLACES:,} places")
        try:
            result = operation(torch.eye(rows * columns, dtype=torch.float64).reshape(-1, 1, rows, columns))
        except (RuntimeError, ValueError, NotImplementedError) as error:
            raise ShapeError(f"does not fit an input of shape {shape}: {error}") from error
        of_one = sparse.csr_array(result.reshape(rows * columns, -1).numpy().T)
        of_one.data[np.abs(of_one.data) < ROUNDING] = 0
        of_one.eliminate_zeros()
        matrix = sparse.kron(sparse.eye_array(channels), of_one, format="csr")
        return cls(shape, (channels, *(int(n) for n in result.shape[2:])), matrix)

    @property
    def n_edges(self) -> int:
        return int(self.matrix.nnz)

    def apply(self, x: np.ndarray) -> np.ndarray:
        return (self.matrix @ x.reshape(len(x), -1).T).T.reshape(len(x), *self.output_shape)

    def edges(self) -> Edges:
        entries = self.matrix.tocoo()
        return entries.coords[1].astype(np.int32), entries.coords[0].astype(np.int32), entries.data

    def accepts_scale(self, scale: np.ndarray) -> bool:
        """Return True, as the weights are single numbers: any scale can be taken."""
        return True

    def scaled(self, input_scale: np.ndarray, output_scale: np.ndarray) -> WeightedSum:
        """Return the map between activations divided by their scales."""
        before = np.broadcast_to(input_scale, self.input_shape).ravel()
        after = np.broadcast_to(output_scale, self.output_shape).ravel()
        matrix = sparse.diags_array(1 / after) @ self.matrix @ sparse.diags_array(before)
        return WeightedSum(self.input_shape, self.output_shape, matrix)

    def scale_through(self, scale: np.ndarray) -> np.ndarray | None:
        """Return a scale of the input as one of the output: only one number passes."""
        return scale if scale.size == 1 else None

    def scale_back(self, scale: np.ndarray) -> np.ndarray | None:
        """Return a scale of the output as one of the input: only one number passes."""
        return scale if scale.size == 1 else None

    def torch_function(self) -> Any:
        """Return the product of a batch with the matrix."""
        import torch

        i, j, w = self.edges()
        size, shape = self.matrix.shape, self.output_shape
        places = torch.from_numpy(np.stack([j, i]).astype(np.int64))

        def add_up(x: Any, weight: Any = None, b: Any = None) -> Any:
            values = torch.from_numpy(np.asarray(w)).to(x)
            matrix = torch.sparse_coo_tensor(places.to(x.device), values, size, check_invariants=False)
            return torch.sparse.mm(matrix, x.reshape(len(x), -1).T).T.reshape(len(x), *shape)

        return add_up


# what becomes a weighted sum is found in conversion/rearrangements.py
MODULES: dict[str, Converter] = {}
FUNCTIONS: dict[str, Converter] = {}
