"""What is measured: a network, its images and the number of steps."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from brianconv import datasets
from brianconv.conversion.convert import convert
from brianconv.conversion.weights import image_statistics, load_model
from brianconv.datasets.dataset import Dataset
from brianconv.demo import fit
from brianconv.spiking import SpikingNetwork

N_STEPS = 50
V_INIT = 0.4
N_CALIBRATION = 1000
EPOCHS = 3
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
SIDE = 28


def net1(width: float = 1.0) -> nn.Sequential:
    """Return Net 1 of Hwang et al. (2021), 3C20-5C50-FC50-FC10 on 28 x 28 pixels, with all widths times `width`."""
    conv1, conv2, fc1 = (round(width * n) for n in (20, 50, 50))
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, conv1, 3),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(conv1, conv2, 5),
            relu2=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(22 * 22 * conv2, fc1),
            relu3=nn.ReLU(),
            fc2=nn.Linear(fc1, 10),
        )
    )


@dataclass(frozen=True, eq=False)
class Workload:
    """A trained network before and after conversion, and what it is shown.

    Attributes
    ----------
    name : str
    model : torch.nn.Module
    spiking : SpikingNetwork
    images : array, shape (n_images, channels, rows, columns)
    labels : array, shape (n_images,)
    n_steps : int
    """

    name: str
    model: nn.Module
    spiking: SpikingNetwork
    images: np.ndarray
    labels: np.ndarray
    n_steps: int


def from_model(
    model: str, weights: str | None, data: str, data_root: str | None, n_images: int, n_steps: int
) -> Workload:
    """Return a trained network on the test images of its data set."""
    network, found = load_model(model, weights)
    mean, std = image_statistics(found)
    training = datasets.load(data, "train", data_root).head(N_CALIBRATION).standardized(mean, std)
    test = datasets.load(data, "test", data_root).head(n_images).standardized(mean, std)
    return _converted(f"{model} on {data}", network, training.images, test, n_steps)


def from_digits(folder: Path, n_images: int, n_steps: int = N_STEPS, width: float = 1.0) -> Workload:
    """Return Net 1 on handwritten digits enlarged to 28 x 28; trained for some seconds unless `folder` has weights."""
    training, test = (datasets.load("digits", split) for split in ("train", "test"))
    torch.manual_seed(0)  # the weights before training, and the order of the images
    model = net1(width)
    path = folder / f"net1_width_{width:g}.safetensors"
    if path.exists():
        model.load_state_dict(load_file(path))
    else:
        fit(model, enlarged(training.images), training.labels, EPOCHS, BATCH_SIZE, LEARNING_RATE)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), path)
    name = f"Net 1 of Hwang et al. (2021), width {width:g}, on digits"
    test = replace(test.head(n_images), images=enlarged(test.images[:n_images]))
    return _converted(name, model.eval(), enlarged(training.images), test, n_steps)


def enlarged(images: np.ndarray) -> np.ndarray:
    """Enlarge 8 x 8 digits to 20 x 20 within 28 x 28 pixels, as MNIST lays them out."""
    large = functional.interpolate(torch.from_numpy(images), size=20, mode="bilinear")
    return functional.pad(large.clamp(0, 1), (4,) * 4).numpy()


def _converted(name: str, model: nn.Module, training: np.ndarray, test: Dataset, n_steps: int) -> Workload:
    spiking = convert(model, training[:N_CALIBRATION], coding="rate", v_init=V_INIT)
    return Workload(name, model, spiking, test.images, test.labels, n_steps)
