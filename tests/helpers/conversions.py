"""What tests of conversions ask: the same outputs as torch, or a refusal."""

import numpy as np
import pytest
import torch
from torch import nn

from brianconv.conversion.layers import extract_graph
from tests.helpers.networks import dyadic_images


def assert_same_as_torch(model: nn.Module, shape: tuple[int, ...]) -> None:
    images = dyadic_images(3, shape)
    with torch.no_grad():
        expected = model.double().eval()(torch.as_tensor(images)).numpy()
    graph = extract_graph(model, shape)
    np.testing.assert_allclose(graph.forward(images).reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)


def refuse(model: nn.Module, shape: tuple[int, ...], error: type[Exception], *words: str) -> None:
    with pytest.raises(error) as caught:
        extract_graph(model, shape)
    for word in words:
        assert word in str(caught.value)
