"""Checkpoints as people save them load by themselves; what does not fit is said in ten lines."""

import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from brianconv.conversion.weights import load_model
from brianconv.errors import DataError

MODEL = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))

class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = build()

    def forward(self, x):
        return self.net(x)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(seed=7):
    model, _ = load_model("net.py", seed=seed)
    model[1].running_mean.uniform_(-1, 1)
    return model.state_dict()


def prefixed(state, prefix):
    return {prefix + key: value for key, value in state.items()}


FORMS = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "best": 0.9},
    "model": lambda s: {"model": s, "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{}]}},
    "net": lambda s: {"acc": 93.1, "net": s},
    "model_state_dict": lambda s: {"step": torch.tensor(3), "model_state_dict": s},
    "any name": lambda s: {"generator": s},
    "nested": lambda s: {"checkpoint": {"network": s}},
    "data parallel": lambda s: {"state_dict": prefixed(s, "module.")},
    "compiled": lambda s: prefixed(s, "_orig_mod."),
    "compiled data parallel": lambda s: prefixed(s, "_orig_mod.module."),
    "lightning": lambda s: {"state_dict": prefixed(s, "model.") | {"loss.weight": torch.ones(4)}, "hyper": {"lr": 0.1}},
    "half precision": lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
    "bfloat16": lambda s: {k: v.bfloat16() if v.is_floating_point() else v for k, v in s.items()},
    "without counters": lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
    "average beside it": lambda s: {"model": s, "model_ema": {k: 0 * v for k, v in s.items()}},
}


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".th", ".ckpt", ".tar", ".bin"])
@pytest.mark.parametrize("form", FORMS)
def test_checkpoints_are_found_and_fit(folder, form, suffix):
    state = trained()
    torch.save(FORMS[form](state), folder / f"weights{suffix}")
    model, _ = load_model("net.py", f"weights{suffix}")
    for key, value in model.state_dict().items():
        if "num_batches" not in key:
            tolerance = {"half precision": 1e-3, "bfloat16": 1e-2}.get(form, 0)
            np.testing.assert_allclose(value.numpy(), state[key].numpy(), atol=tolerance)


def test_prefixes_of_the_network_are_put_on(folder):
    state = trained()
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "weights.safetensors")
    model, _ = load_model("net.py:Wrapped", "weights.safetensors")
    assert all(torch.equal(value, state[key.removeprefix("net.")]) for key, value in model.state_dict().items())


def changed(state, **values):
    return {key: values.get(key.replace(".", "_"), value) for key, value in state.items() if key not in values}


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "4.bias"}, ["1 weights missing", "4.bias (2,) is missing"]),
        (lambda s: {k.replace("4.", "fc."): v for k, v in s.items()},
         ["4.weight (2, 12) is missing; nearest in the file: fc.weight (2, 12)", "fc.bias (2,) is in the file only"]),
        (lambda s: {**s, "4.weight": torch.ones(5, 12)}, ["4.weight: (5, 12) in the file, (2, 12) in the network"]),
        (lambda s: {**s, "5.weight": torch.ones(5, 12)}, ["5.weight (5, 12) is in the file only"]),
        (lambda s: {"a": s, "b": s}, ["several dictionaries of tensors, 'a', 'b'"]),
        (lambda s: {"epoch": 3}, ["no tensors, but 'epoch'"]),
        (lambda s: [1, 2], ["not a state dict"]),
        (lambda s: {**s, "4.bias": torch.ones(2, dtype=torch.complex64)}, ["'4.bias'", "complex64"]),
        (lambda s: {f"{k}.{n}": v for k, v in s.items() for n in range(400)}, ["missing"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_ten_lines(folder, form, words):
    torch.save(form(trained()), folder / "weights.pt")
    with pytest.raises(DataError) as caught:
        load_model("net.py", "weights.pt")
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert len(message.splitlines()) <= 11 and len(message) < 1500 and "weights.pt" in message


def test_nothing_in_a_checkpoint_is_executed(folder):
    class Bomb:
        def __reduce__(self):
            return (open, (str(folder / "exploded"), "w"))

    torch.save({"state_dict": trained(), "hyper": Bomb()}, folder / "weights.ckpt")
    with pytest.raises(DataError, match=re.compile("weights.ckpt.*more than tensors", re.DOTALL)):
        load_model("net.py", "weights.ckpt")
    assert not (folder / "exploded").exists()
