"""States of tuning and training: a run resumes from what it can have written itself, and from nothing else."""

import copy
import dataclasses
import json
import os

import numpy as np
import pytest
import torch
from torch import nn

from brianconv.conversion.convert import convert
from brianconv.datasets.dataset import Dataset
from brianconv.errors import ParameterError
from brianconv.tuning.auto import tune_auto
from brianconv.tuning.checkpoint import Checkpoint
from brianconv.tuning.kernels.descent import tune_kernels
from brianconv.tuning.kernels.settings import Descent
from brianconv.tuning.pcmp.refinement import refine_pcmp
from brianconv.tuning.pcmp.search import tune_pcmp
from brianconv.tuning.stdb.network import TrainableNetwork
from brianconv.tuning.stdb.settings import Schedule
from brianconv.tuning.stdb.training import train_stdb
from tests.helpers.damaged_files import damaged
from tests.helpers.networks import dyadic_, dyadic_images

IMAGES = dyadic_images(8, (4,))
LABELS = np.arange(8) % 2


def model() -> nn.Sequential:
    return dyadic_(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))


def pcmp(state):
    return tune_pcmp(convert(model(), IMAGES), IMAGES, n_steps=5, candidates=(0.0, 0.5), state=state)


def kernels(state):
    return tune_kernels(convert(model(), IMAGES, coding="ttfs"), IMAGES, Descent(2, 4), state=state)


def refinement(state):
    start = {"input": 0.25, "layer_0": 0.5}
    return refine_pcmp(lambda v: sum(v.values()), [start], shifts=(0.1,), checkpoint=Checkpoint(state, {"a": 1}))


def auto(state):
    held_out = Dataset("mine", IMAGES.astype(np.float32), LABELS)
    checkpoint = Checkpoint(state, {"a": 1})
    return tune_auto(
        model(), IMAGES, held_out, "analog", n_steps=3, within=0.99, options={"v_init": 0.5, "percentile": 100.0},
        checkpoint=checkpoint, mode="runtime",
    )  # fmt: skip


def changed(content, path, value):
    """Return a copy of nested lists and mappings in which one value is another; DELETE takes it out."""
    content = copy.deepcopy(content)
    *outer, last = path
    place = content
    for key in outer:
        place = place[key]
    if value == "DELETE":
        del place[last]
    else:
        place[last] = value
    return content


def leaves(content, path=()):
    """Yield the path of every value that is neither a list nor a mapping."""
    if isinstance(content, (dict, list)):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from leaves(content[key], (*path, key))
    else:
        yield path


RUNS = {"pcmp": pcmp, "kernels": kernels, "refinement": refinement, "auto": auto}


@pytest.mark.parametrize("method", RUNS)
def test_states_of_tuning_are_taken_only_as_they_were_written(method, tmp_path, numpy_target):
    run, path = RUNS[method], tmp_path / "state.json"
    whole = run(path)
    written = path.read_text()
    content = json.loads(written)
    assert dataclasses.asdict(run(path)) == dataclasses.asdict(whole)
    paths = list(leaves(content["state"]))
    for place in paths[:: max(1, len(paths) // 25)]:
        for value in ("text", [], {}, True, -1e9, "DELETE", None):
            if value is None and place[-1] == "early_decision":
                continue
            path.write_text(json.dumps(changed(content, ("state", *place), value)))
            if value == -1e9 and method in ("kernels", "refinement") and place[0] in ("losses", "paths", "tried"):
                continue  # a number as good as others
            with pytest.raises(ParameterError, match="this run cannot have written"):
                run(path)
    for text in ("NaN", "1" * 400, "[" * 10_000):
        path.write_text(json.dumps(content).replace('"state": {', f'"state": {{"other": {text}, '))
        with pytest.raises(ParameterError, match="is not the state of a tuning run"):
            run(path)
    path.write_text(json.dumps(changed(content, ("state", "other"), 1)))
    with pytest.raises(ParameterError, match="this run cannot have written"):
        run(path)
    for copy_ in damaged(written.encode(), 20):
        path.write_bytes(copy_)
        try:
            run(path)
        except ParameterError:
            continue


@pytest.mark.parametrize("method", RUNS)
def test_states_are_regular_files(method, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ParameterError, match="is a pipe; a file is needed"):
        RUNS[method](tmp_path / "pipe")


def stdb(state, epochs=1):
    without_bias = dyadic_(nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False)))
    spiking = convert(without_bias, IMAGES, coding="hybrid", window=3, v_threshold=0.5)
    network = TrainableNetwork(without_bias, spiking, 3)
    schedule = Schedule(epochs=epochs, batch_size=4)
    history = train_stdb(network, IMAGES.astype(np.float32), LABELS, schedule, state=state)
    return history, network


CHANGES = {
    ("history", "epoch"): (10**9, -1, "1", 1.0, True, None),
    ("history", "batch"): (2, -1, "0"),
    ("history", "total"): (float("nan"), "0"),
    ("history", "spent"): (-1.0, None),
    ("history", "seconds"): ([], [1.0, 1.0], ["1"], [float("inf")], 3),
    ("history", "loss"): ([], [float("nan")], None),
    ("history", "accuracy"): ([2.0], [0.5, 0.5], "all"),
    ("history", "other"): (1,),
    ("network", "weights.layer_0"): (torch.zeros(3), torch.full((3, 4), torch.nan), "text", "DELETE"),
    ("network", "v_threshold.layer_0"): (torch.tensor(-1.0), torch.tensor(torch.nan)),
    ("network", "decay.layer_0"): (torch.tensor(1.5), torch.tensor(1.0, dtype=torch.float64)),
    ("averaged", "module.weights.layer_0"): (torch.zeros(3), "DELETE"),
    ("averaged", "n_averaged"): ("1", "DELETE"),
    ("optimizer", "param_groups"): ([], "text", None),
    ("optimizer", "param_groups", 0, "lr"): (float("nan"), "1"),
    ("optimizer", "param_groups", 0, "params"): ([0], [0] * 99),
    ("optimizer", "state", 0, "exp_avg"): (torch.zeros(2), "text", "DELETE", torch.full((3, 4), torch.inf)),
    ("optimizer", "state", 0, "exp_avg_sq"): (torch.full((3, 4), -1.0),),
    ("optimizer", "state", 0, "step"): (torch.tensor(-1.0), "1"),
    ("optimizer", "state", 99): ({}, 1),
    ("random",): (torch.zeros(3), torch.zeros(5056, dtype=torch.uint8), "text", None),
}


@pytest.mark.parametrize("place", CHANGES, ids=str)
def test_states_of_a_training_are_taken_only_as_they_were_written(place, tmp_path):
    path = tmp_path / "state"
    stdb(path)
    saved = torch.load(path, weights_only=True)
    for value in CHANGES[place]:
        torch.save(changed(saved, place, value), path)
        with pytest.raises(ParameterError, match=r"this training cannot have written|epochs already"):
            stdb(path, 2)
    torch.save(saved, path)
    history, _ = stdb(path, 2)
    assert history.epoch == 2


def test_states_of_a_training_hold_all_of_it(tmp_path):
    path = tmp_path / "state"
    stdb(path)
    saved = torch.load(path, weights_only=True)
    for key in saved:
        torch.save({name: value for name, value in saved.items() if name != key}, path)
        with pytest.raises(ParameterError, match=f"is not the state of a training .*has no '{key}'"):
            stdb(path)
    for content in ([1], {"about": 1}, {**saved, "about": [1]}):
        torch.save(content, path)
        with pytest.raises(ParameterError, match="is not the state of a training"):
            stdb(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ParameterError, match="is a pipe"):
        stdb(path)
