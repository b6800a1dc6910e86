"""Shared fixtures."""

import os
from contextlib import contextmanager

os.environ.setdefault("OMP_NUM_THREADS", "1")  # test workers run side by side

import matplotlib

matplotlib.use("Agg")

import brian2
import pytest

from brianconv.conversion.convert import convert
from tests.helpers.networks import SMALL_SHAPE, dyadic_images, small_cnn


@pytest.fixture(autouse=True, scope="session")
def program_cache(tmp_path_factory):
    """Compile into a folder of the test session, which all workers share, and not into the user's cache."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own
    os.environ["BRIANCONV_CACHE"] = str(shared / "cache")


@contextmanager
def codegen_target(name):
    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = name
    yield name
    brian2.prefs.codegen.target = before


@pytest.fixture
def numpy_target():
    """Run Brian2 without compiling, which is faster for tiny networks that are run once."""
    with codegen_target("numpy"):
        yield


@pytest.fixture
def cython_target():
    """Compile in run-time mode."""
    with codegen_target("cython"):
        yield


@pytest.fixture(params=["numpy", "cython"])
def target(request):
    """Each of Brian2's targets of run-time mode."""
    with codegen_target(request.param) as name:
        yield name


@pytest.fixture
def small_spiking():
    """The small CNN as a spiking network with the weights as they are."""
    return convert(small_cnn(), normalization="none", input_shape=SMALL_SHAPE, v_init=0.25)


@pytest.fixture
def small_images():
    return dyadic_images(5, SMALL_SHAPE)
