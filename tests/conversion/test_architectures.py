"""Published families of networks convert, and do what the independent simulation does, on images of 32 x 32."""

import numpy as np
import pytest
import torch

from brianconv import convert, verify
from brianconv.conversion.layers import extract_graph
from tests.helpers.architectures import FULL, SMALL
from tests.helpers.networks import dyadic_images

SHAPE = (3, 32, 32)


def trained(build):
    """A network whose normalisation has statistics, as after training."""
    torch.manual_seed(0)
    model = build().double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize("name", SMALL)
def test_families_equal_torch(name):
    model, images = trained(SMALL[name]), dyadic_images(2, SHAPE)
    with torch.no_grad():
        expected = model(torch.as_tensor(images)).numpy()
    np.testing.assert_allclose(extract_graph(model, SHAPE).forward(images), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:.* is silent on the calibration images")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name.startswith(("Res", "Shuffle", "U-")) else pytest.mark.slow) for name in SMALL],
)
def test_families_spike_as_the_reference(numpy_target, name):
    images = dyadic_images(3, SHAPE)
    spiking = convert(trained(SMALL[name]), images, normalization="max", v_init=0.5)
    outcome = verify(spiking, images[:1], 12)
    assert outcome.passed and outcome.n_spikes > 1000, str(outcome)


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_full_size_is_extracted_and_counted(name):
    model, images = trained(FULL[name]), dyadic_images(1, SHAPE)
    graph = extract_graph(model, SHAPE)
    with torch.no_grad():
        expected = model(torch.as_tensor(images)).numpy()
    np.testing.assert_allclose(graph.forward(images), expected, rtol=1e-9, atol=1e-12)
    assert graph.n_synapses > 100_000_000
