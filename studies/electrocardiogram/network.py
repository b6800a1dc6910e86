"""A small network for signals: two convolutions along time and two dense layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

from brianconv.files import write_atomically
from studies.electrocardiogram import params

WEIGHTS = Path(__file__).with_name("weights.safetensors")


def network() -> nn.Module:
    """Return the network with random weights."""
    return nn.Sequential(
        nn.Conv1d(1, 8, 9, stride=2, padding=4), nn.BatchNorm1d(8), nn.ReLU(),
        nn.Conv1d(8, 16, 5, stride=2, padding=2), nn.BatchNorm1d(16), nn.ReLU(),
        nn.AvgPool1d(2), nn.Flatten(),
        nn.Linear(16 * params.WINDOW // 8, 32), nn.ReLU(),
        nn.Linear(32, len(params.CLASSES)),
    )  # fmt: skip


def trained(images: np.ndarray, labels: np.ndarray) -> nn.Module:
    """Return the network with the stored weights; train it (about 10 s) and store them where there are none."""
    torch.manual_seed(params.SEED)
    model = network()
    if WEIGHTS.exists():
        model.load_state_dict(load_file(WEIGHTS))
        return model.eval()
    x, y = torch.as_tensor(images, dtype=torch.float32), torch.as_tensor(labels)
    weight = len(y) / torch.bincount(y).float() / len(params.CLASSES)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, params.EPOCHS)
    for _ in range(params.EPOCHS):
        for batch in torch.randperm(len(x)).split(64):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch], weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        schedule.step()
    write_atomically(WEIGHTS, lambda file: file.write(save(model.state_dict())))
    return model.eval()
