"""Training: interrupted or not, the weights are the same; augmentation moves images and nothing else."""

import dataclasses
import json
import os
import sys

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from brianconv.errors import ParameterError
from brianconv.tuning.stdb.augmentation import augment, cut_out
from models import train as training
from models.recipe import Recipe

RECIPE = Recipe(
    data="digits", epochs=3, batch_size=64, learning_rate=0.05, weight_decay=1e-4, label_smoothing=0.1, shift=1,
    differs="no paper", optimizer="sgd", flip=True, mean=(0.3,), std=(0.4,),
)  # fmt: skip


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(288, 10)
    )


def autoencoder() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(4, 1, 3, padding=1))


def test_interrupted_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    training.train("mine.net", network, RECIPE, tmp_path, tmp_path / "whole")
    epoch = training._train_epoch
    with monkeypatch.context() as patched:
        patched.setattr(training, "_train_epoch", lambda *a: epoch(*a) if a[-1] == "epoch 1" else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train("mine.net", network, RECIPE, tmp_path, tmp_path / "parts")
    training.train("mine.net", network, RECIPE, tmp_path, tmp_path / "parts")
    whole, parts = (load_file(tmp_path / folder / "mine_net.safetensors") for folder in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_result_says_how_and_how_well(tmp_path):
    training.train("mine.net", network, RECIPE, tmp_path, tmp_path)
    result = json.loads((tmp_path / "mine_net.json").read_text())
    assert result["test_accuracy"] > 0.5 and len(result["test_accuracy_by_epoch"]) == 3
    assert result["recipe"] == json.loads(json.dumps(dataclasses.asdict(RECIPE)))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mine_net.json", "mine_net.safetensors"]


def test_checkpoints_of_another_recipe_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_store", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        training.train("mine.net", network, dataclasses.replace(RECIPE, epochs=1), tmp_path, tmp_path)
    with pytest.raises(ParameterError, match="belongs to another recipe; delete it"):
        training.train("mine.net", network, RECIPE, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("progress", "epoch"), 10**9),
        (("progress", "epoch"), "1"),
        (("progress", "loss"), []),
        (("progress", "measure"), [float("nan")]),
        (("progress",), None),
        (("model", "5.weight"), torch.full((10, 288), torch.nan)),
        (("model", "5.weight"), torch.zeros(10)),
        (("model", "5.weight"), "text"),
        (("optimizer", "state", 0, "momentum_buffer"), torch.zeros(3)),
        (("optimizer", "state", 99), {}),
        (("optimizer", "param_groups", 0, "lr"), float("inf")),
        (("schedule", "last_epoch"), 10**9),
        (("schedule", "total_steps"), 1),
        (("schedule", "_schedule_phases"), "text"),
        (("schedule", "other"), 1),
        (("other",), 1),
    ],
    ids=str,
)
def test_checkpoints_are_taken_only_as_they_were_written(tmp_path, monkeypatch, place, value):
    monkeypatch.setattr(training, "_store", lambda *arguments: 1 / 0)
    recipe = dataclasses.replace(RECIPE, epochs=1)
    with pytest.raises(ZeroDivisionError):
        training.train("mine.net", network, recipe, tmp_path, tmp_path)
    path = tmp_path / ".mine_net.checkpoint"
    saved = torch.load(path, weights_only=True)
    content = saved
    for key in place[:-1]:
        content = content[key]
    content[place[-1]] = value
    torch.save(saved, path)
    with pytest.raises(ParameterError, match=r"is not a state of this training .*; delete it to start anew"):
        training.train("mine.net", network, recipe, tmp_path, tmp_path)


def test_checkpoints_are_files_of_torch(tmp_path):
    path = tmp_path / ".mine_net.checkpoint"
    for write in (lambda: path.write_bytes(b"nonsense"), lambda: torch.save([1], path), lambda: os.mkfifo(path)):
        path.unlink(missing_ok=True)
        write()
        with pytest.raises(ParameterError, match="is not a state of this training"):
            training.train("mine.net", network, RECIPE, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--epochs", "0"], "0 is not positive"), (["--out", "/proc/x"], "cannot write into '/proc/x'")],
)
def test_bad_options_are_refused_before_anything_is_trained(options, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train", "kim2018.mnist_cnn", "--data-root", "nowhere", *options])
    try:
        code = training.main()
    except SystemExit as error:
        code = error.code
    assert code == 2 and message in capsys.readouterr().err


def test_autoencoders_are_judged_by_their_error(tmp_path):
    recipe = dataclasses.replace(RECIPE, loss="mean_squared_error", optimizer="adamw", mean=(), std=(), flip=False)
    training.train("mine.net", autoencoder, recipe, tmp_path, tmp_path)
    result = json.loads((tmp_path / "mine_net.json").read_text())
    assert result["test_mean_squared_error"] < result["test_mean_squared_error_by_epoch"][0] * 1.01


def test_shifted_images_are_windows_of_the_padded_ones():
    torch.manual_seed(0)
    image = torch.rand(2, 5, 4) + 1
    padded = nn.functional.pad(image, (1, 1, 1, 1))
    windows = {padded[:, r : r + 5, c : c + 4].numpy().tobytes() for r in range(3) for c in range(3)}
    found = {shifted.numpy().tobytes() for shifted in augment(image.expand(200, 2, 5, 4), 1, flip=False)}
    assert found == windows


def test_about_half_of_the_images_are_mirrored():
    torch.manual_seed(0)
    image = torch.rand(3, 4, 4)
    flipped = augment(image.expand(200, 3, 4, 4), 0, flip=True)
    mirrored = sum(torch.equal(one, image.flip(2)) for one in flipped)
    assert mirrored + sum(torch.equal(one, image) for one in flipped) == 200
    assert 70 < mirrored < 130


def test_a_square_of_each_image_is_cut_out():
    images = torch.ones(400, 2, 9, 9)
    cut = cut_out(images, 3)
    removed = (cut == 0).sum((2, 3))
    assert torch.equal(removed[:, 0], removed[:, 1])  # all channels at the same place
    assert set(removed[:, 0].tolist()) == {4, 6, 9}  # in a corner, at an edge, inside
    assert torch.equal(cut_out(images, 0), images)
    centres = {tuple((image == 0).nonzero().float().mean(0).tolist()) for image in cut[:, 0] if (image == 0).sum() == 9}
    assert len(centres) == 49


def pooling_network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(),
        nn.Linear(32, 10),
    )  # fmt: skip


def test_small_images_come_first_and_the_network_is_the_same(tmp_path, monkeypatch):
    recipe = dataclasses.replace(RECIPE, small_size=6, small_epochs=2)
    seen = []
    epoch = training._train_epoch
    monkeypatch.setattr(training, "_train_epoch", lambda *a: seen.append(tuple(a[1].shape[-2:])) or epoch(*a))
    training.train("mine.net", pooling_network, recipe, tmp_path, tmp_path)
    assert seen == [(6, 6), (6, 6), (8, 8)]
    weights = {key: value.float() for key, value in load_file(tmp_path / "mine_net.safetensors").items()}
    model = pooling_network()
    model.load_state_dict(weights)
    result = json.loads((tmp_path / "mine_net.json").read_text())
    data = training._load(recipe, "test", tmp_path, torch.device("cpu"))[0]
    assert training.evaluate(model, *data, "cross_entropy") == pytest.approx(result["test_accuracy"], abs=0.003)


def test_small_images_need_average_pooling(tmp_path):
    recipe = dataclasses.replace(RECIPE, small_size=6, small_epochs=2)
    with pytest.raises(ParameterError, match="networks that end in average pooling"):
        training.train("mine.net", network, recipe, tmp_path, tmp_path)
