"""Train a network: python -m models.train hwang2021.net1 --data-root DIR

Writes the weights (float16 safetensors) and a JSON file with accuracy, data set, recipe and time. A checkpoint is kept
after every epoch; the same command resumes where it stopped, to the same result. The test set is only reported: the
weights are those of the last epoch.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

from brianconv import datasets
from brianconv.cli.options import positive
from brianconv.conversion.weights import load_tensors
from brianconv.errors import BrianconvError, ParameterError
from brianconv.files import writable_folder, write_atomically, write_json
from brianconv.tuning.stdb.augmentation import augment, cut_out
from brianconv.tuning.stdb.training_state import check_fields, check_optimizer, check_plain, check_tensors
from brianconv.values import mapping, reals, whole
from models.recipe import Recipe

WEIGHTS = Path(__file__).parent / "weights"
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
MEASURES = {"cross_entropy": "accuracy", "mean_squared_error": "mean_squared_error"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", help="network as FILE.FUNCTION, such as hwang2021.net1")
    parser.add_argument("--data-root", default="data", help="folder of the data sets, as torchvision lays it out")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the weights (default: models/weights)")
    parser.add_argument("--epochs", type=positive, help="instead of the recipe's; the result is not the published one")
    arguments = parser.parse_args()
    try:
        build, recipe = find_network(arguments.name)
        recipe = dataclasses.replace(recipe, epochs=arguments.epochs or recipe.epochs)
        train(arguments.name, build, recipe, arguments.data_root, arguments.out)
    except BrianconvError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command resumes after the last complete epoch", file=sys.stderr)
        return 130
    return 0


def find_network(name: str) -> tuple[Callable[[], nn.Module], Recipe]:
    """Return the factory and the recipe of a network named FILE.FUNCTION."""
    file, _, function = name.partition(".")
    known = sorted(p.stem for p in Path(__file__).parent.glob("*20*.py"))
    if file not in known:
        raise ParameterError(f"there is no network {name!r}; the files are {', '.join(known)}")
    networks = importlib.import_module(f"models.{file}").NETWORKS
    if function not in networks:
        raise ParameterError(f"there is no network {name!r}; models/{file}.py has {', '.join(networks)}")
    return networks[function]


@dataclass
class Progress:
    """What has been trained so far, epoch by epoch.

    `seconds` includes pauses of the process; `measure` is the accuracy or the mean squared error of the test set.
    """

    epoch: int = 0
    seconds: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    measure: list[float] = field(default_factory=list)

    def line(self, recipe: Recipe) -> str:
        """Say how far the training is and how long it will still take."""
        left = median(self.seconds) * (recipe.epochs - self.epoch) / 60
        return (
            f"epoch {self.epoch}/{recipe.epochs}: training loss {self.loss[-1]:.4f}, "
            f"test {MEASURES[recipe.loss].replace('_', ' ')} {self.measure[-1]:.4f}, {left:.0f} min left"
        )


def train(name: str, build: Callable[[], nn.Module], recipe: Recipe, data_root: str | Path, out: Path) -> None:
    """Train, or resume a training, and write weights and result into `out`."""
    writable_folder(out)
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    (images, labels), notes = _load(recipe, "train", data_root, device)
    test, test_notes = _load(recipe, "test", data_root, device)
    model = build().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.small_epochs:
        _pool_at_any_size(model, images[:1])
    small = _reduced(images, recipe.small_size) if recipe.small_epochs else images
    state = _trained_state(model, recipe, len(images) // recipe.batch_size)
    checkpoint = out / f".{_stem(name)}.checkpoint"
    progress = _resume(checkpoint, state, recipe, len(images) // recipe.batch_size)
    while progress.epoch < recipe.epochs:
        start = time.perf_counter()
        torch.manual_seed(recipe.seed + progress.epoch + 1)  # the same batches whether or not it was interrupted
        seen = small if progress.epoch < recipe.small_epochs else images
        progress.loss.append(_train_epoch(state, seen, labels, recipe, f"epoch {progress.epoch + 1}"))
        progress.seconds.append(time.perf_counter() - start)
        progress.measure.append(evaluate(model, *test, recipe.loss))
        progress.epoch += 1
        print(progress.line(recipe), flush=True)
        _save(checkpoint, state, recipe, progress)
    _store(name, model, recipe, progress, out, test, notes + test_notes)
    checkpoint.unlink(missing_ok=True)


def _stem(name: str) -> str:
    return name.replace(".", "_")


def _load(
    recipe: Recipe, split: str, data_root: str | Path, device: torch.device
) -> tuple[tuple[Tensor, Tensor], tuple[str, ...]]:
    """Return images and labels, and what is to be said about them."""
    loaded = datasets.load(recipe.data, split, data_root).standardized(recipe.mean, recipe.std)
    images = torch.from_numpy(loaded.images).contiguous(memory_format=torch.channels_last)
    return (images.to(device), torch.from_numpy(loaded.labels).to(device)), loaded.notes


def _reduced(images: Tensor, size: int) -> Tensor:
    """Return images of `size` rows and columns."""
    reduced = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
    return reduced.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _pool_at_any_size(model: nn.Module, image: Tensor) -> None:
    """Let the last average pooling return as many values for small images as for the network's own."""
    pooling = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.AvgPool2d)]
    if not pooling:
        raise ParameterError("small_epochs is for networks that end in average pooling, and this one has none")
    name, last = pooling[-1]
    sizes: list[torch.Size] = []
    hook = last.register_forward_hook(lambda *seen: sizes.append(seen[-1].shape[-2:]))
    model.eval()(image)
    hook.remove()
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, nn.AdaptiveAvgPool2d(tuple(sizes[0])))


def _trained_state(model: nn.Module, recipe: Recipe, n_batches: int) -> dict[str, Any]:
    """Return everything that changes during training."""
    optimizer = OPTIMIZERS[recipe.optimizer](
        model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * n_batches
    )
    return {"model": model, "optimizer": optimizer, "schedule": schedule}


def _save(checkpoint: Path, state: dict[str, Any], recipe: Recipe, progress: Progress) -> None:
    saved = {key: value.state_dict() for key, value in state.items()}
    saved |= {"recipe": dataclasses.asdict(recipe), "progress": dataclasses.asdict(progress)}
    write_atomically(checkpoint, functools.partial(torch.save, saved))


def _resume(checkpoint: Path, state: dict[str, Any], recipe: Recipe, n_batches: int) -> Progress:
    if not os.path.lexists(checkpoint):
        return Progress()
    try:
        saved = mapping(load_tensors(checkpoint), "it", (*state, "recipe", "progress"))
        if saved["recipe"] != dataclasses.asdict(recipe):
            raise ParameterError(f"{str(checkpoint)!r} belongs to another recipe; delete it to start anew")
        progress = _checked(saved, state, recipe, n_batches)
        for key, value in state.items():
            value.load_state_dict(saved[key])
    except ParameterError:
        raise
    except (ValueError, RuntimeError) as error:
        raise ParameterError(
            f"{str(checkpoint)!r} is not a state of this training ({error}); delete it to start anew"
        ) from error
    print(f"resuming after epoch {progress.epoch}", flush=True)
    return progress


def _checked(saved: dict[str, Any], state: dict[str, Any], recipe: Recipe, n_batches: int) -> Progress:
    """Return the progress of a checkpoint; raise ValueError unless this training can have been in its state."""
    check_tensors(saved["model"], state["model"].state_dict(), "model")
    check_optimizer(saved["optimizer"], state["optimizer"])
    progress = check_fields(saved["progress"], Progress, "progress")
    epoch = whole(progress["epoch"], "epoch", 1, recipe.epochs)
    for key in ("seconds", "loss", "measure"):
        reals(progress[key], key, epoch)
    schedule = state["schedule"].state_dict()
    check_plain(saved["schedule"], schedule, "schedule")
    whole(saved["schedule"]["last_epoch"], "last_epoch of schedule", epoch * n_batches, epoch * n_batches)
    whole(saved["schedule"]["total_steps"], "total_steps of schedule", *[schedule["total_steps"]] * 2)
    return Progress(**progress)


def _train_epoch(state: dict[str, Any], images: Tensor, labels: Tensor, recipe: Recipe, title: str) -> float:
    """Train with every image once, and return the mean loss."""
    model, optimizer = state["model"].train(), state["optimizer"]
    order = torch.randperm(len(images), device=images.device)
    n_batches, total = len(images) // recipe.batch_size, 0.0
    for k in trange(n_batches, desc=title, unit="batch", mininterval=5, disable=None):
        chosen = order[k * recipe.batch_size : (k + 1) * recipe.batch_size]
        inputs = cut_out(augment(images[chosen], recipe.shift, recipe.flip), recipe.cutout)
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            outputs = model(inputs)
        loss = _loss(outputs.float(), inputs, labels[chosen], recipe)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state["schedule"].step()
        total += loss.item()
    return total / n_batches


def _loss(outputs: Tensor, inputs: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    if recipe.loss == "mean_squared_error":
        return functional.mse_loss(outputs, inputs)
    return functional.cross_entropy(outputs, labels, label_smoothing=recipe.label_smoothing)


@torch.no_grad()
def evaluate(model: nn.Module, images: Tensor, labels: Tensor, loss: str) -> float:
    """Return the share of images that are classified correctly, or the mean squared error of an autoencoder."""
    model.eval()
    batches = zip(images.split(500), labels.split(500), strict=True)
    if loss == "mean_squared_error":
        return sum(float((model(x) - x).square().mean()) * len(x) for x, _ in batches) / len(images)
    return sum(int((model(x).argmax(1) == y).sum()) for x, y in batches) / len(images)


def _store(
    name: str,
    model: nn.Module,
    recipe: Recipe,
    progress: Progress,
    out: Path,
    test: tuple[Tensor, Tensor],
    notes: tuple[str, ...],
) -> None:
    """Write the weights, and how well the network does with them as they are stored."""
    path = out / f"{_stem(name)}.safetensors"
    temporary = path.with_name(f".{path.name}")
    stored = {key: _stored(value) for key, value in model.state_dict().items()}
    save_file(stored, temporary)
    temporary.replace(path)
    model.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    measure = MEASURES[recipe.loss]
    result = {
        "network": name,
        "data": recipe.data,
        "data_notes": list(notes),
        f"test_{measure}": evaluate(model, *test, recipe.loss),
        f"test_{measure}_by_epoch": progress.measure,
        "training_loss_by_epoch": progress.loss,
        "training_s": round(sum(progress.seconds), 1),
        "epoch_s": round(median(progress.seconds), 1),
        "recipe": dataclasses.asdict(recipe),
        "torch": str(torch.__version__),
    }
    write_json(path.with_suffix(".json"), result)
    print(f"{path.name}: test {measure.replace('_', ' ')} {result[f'test_{measure}']:.4f} as stored (float16)")


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return (value.half() if value.is_floating_point() else value).contiguous()


if __name__ == "__main__":
    sys.exit(main())
