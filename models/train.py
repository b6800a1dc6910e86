"""Train a network: python -m models.train hwang2021.net1 --data-root DIR

Writes the weights (float16 safetensors) and a JSON file with accuracy, data set, recipe and time. A checkpoint is kept
after every epoch; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from tqdm import trange

from brianconv import datasets
from brianconv.errors import BrianconvError, ParameterError
from brianconv.files import write_atomically, write_json
from models.recipe import Recipe

WEIGHTS = Path(__file__).parent / "weights"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m models.train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("name", help="network as FILE.FUNCTION, such as hwang2021.net1")
    parser.add_argument("--data-root", default="data", help="folder of the data sets, as torchvision lays it out")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder of the weights (default: models/weights)")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's; the result is not the published one")
    arguments = parser.parse_args()
    try:
        build, recipe = find_network(arguments.name)
        recipe = dataclasses.replace(recipe, epochs=arguments.epochs or recipe.epochs)
        train(arguments.name, build, recipe, arguments.data_root, arguments.out)
    except BrianconvError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def find_network(name: str):
    """Return the factory and the recipe of a network named FILE.FUNCTION."""
    file, _, function = name.partition(".")
    known = sorted(p.stem for p in Path(__file__).parent.glob("*20*.py"))
    if file not in known:
        raise ParameterError(f"there is no network {name!r}; the files are {', '.join(known)}")
    networks = importlib.import_module(f"models.{file}").NETWORKS
    if function not in networks:
        raise ParameterError(f"there is no network {name!r}; models/{file}.py has {', '.join(networks)}")
    return networks[function]


def train(name: str, build, recipe: Recipe, data_root: str, out: Path) -> None:
    """Train, or go on training, and write weights and result into `out`."""
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    images, labels = _tensors(recipe.data, "train", data_root, device)
    test_images, test_labels = _tensors(recipe.data, "test", data_root, device)
    model = build().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    n_batches = len(images) // recipe.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * n_batches
    )
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / f".{name.replace('.', '_')}.checkpoint"
    state: dict[str, Any] = {"model": model, "optimizer": optimizer, "schedule": schedule}
    first, history, seconds = _resume(checkpoint, state, recipe)
    for epoch in range(first, recipe.epochs):
        start = time.perf_counter()
        torch.manual_seed(recipe.seed + epoch + 1)  # the same batches whether or not the training was interrupted
        _train_epoch(model, optimizer, schedule, images, labels, recipe, f"epoch {epoch + 1}/{recipe.epochs}")
        seconds += time.perf_counter() - start
        history.append(accuracy(model, test_images, test_labels))
        print(f"epoch {epoch + 1}: test accuracy {history[-1]:.2%}", flush=True)
        saved: dict[str, Any] = {key: value.state_dict() for key, value in state.items()}
        saved |= {
            "epoch": epoch + 1, "history": history, "seconds": seconds, "recipe": dataclasses.asdict(recipe),
        }  # fmt: skip
        write_atomically(checkpoint, functools.partial(torch.save, saved))
    _store(name, model, recipe, history, seconds, out, (test_images, test_labels))
    checkpoint.unlink(missing_ok=True)


def _tensors(data: str, split: str, data_root: str, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    loaded = datasets.load(data, split, data_root)
    return torch.from_numpy(loaded.images).to(device), torch.from_numpy(loaded.labels).to(device)


def _resume(checkpoint: Path, state: dict, recipe: Recipe) -> tuple[int, list[float], float]:
    if not checkpoint.exists():
        return 0, [], 0.0
    saved = torch.load(checkpoint, weights_only=True)
    if saved["recipe"] != dataclasses.asdict(recipe):
        raise ParameterError(f"{str(checkpoint)!r} belongs to another recipe; delete it to start anew")
    for key, value in state.items():
        value.load_state_dict(saved[key])
    print(f"going on after epoch {saved['epoch']}", flush=True)
    return saved["epoch"], saved["history"], saved["seconds"]


def _train_epoch(model: nn.Module, optimizer, schedule, images, labels, recipe: Recipe, title: str) -> None:
    model.train()
    order = torch.randperm(len(images), device=images.device)
    for k in trange(len(images) // recipe.batch_size, desc=title, unit="batch", mininterval=5):
        chosen = order[k * recipe.batch_size : (k + 1) * recipe.batch_size]
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=images.device.type == "cuda"):
            scores = model(_shifted(images[chosen], recipe.shift))
        loss = functional.cross_entropy(scores.float(), labels[chosen], label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _shifted(images: torch.Tensor, most: int) -> torch.Tensor:
    """Shift a batch at random by at most `most` pixels, zeros coming in."""
    if most == 0:
        return images
    row, column = (int(n) for n in torch.randint(0, 2 * most + 1, (2,)))
    padded = functional.pad(images, (most,) * 4)
    return padded[:, :, row : row + images.shape[2], column : column + images.shape[3]]


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images that the network classifies correctly."""
    model.eval()
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500), strict=True))
    return right / len(labels)


def _store(name: str, model: nn.Module, recipe: Recipe, history: list[float], seconds: float, out: Path, test) -> None:
    stored = {key: value.detach().cpu().half().contiguous() for key, value in model.state_dict().items()}
    stem = name.replace(".", "_")
    temporary = out / f".{stem}.safetensors"
    save_file(stored, temporary)
    temporary.replace(out / f"{stem}.safetensors")
    model.load_state_dict({k: v.float() for k, v in load_file(out / f"{stem}.safetensors").items()})
    result = {
        "network": name,
        "data": recipe.data,
        "test_accuracy": accuracy(model, *test),
        "test_accuracy_by_epoch": history,
        "training_s": round(seconds, 1),
        "recipe": dataclasses.asdict(recipe),
        "torch": str(torch.__version__),
    }
    write_json(out / f"{stem}.json", result)
    print(f"{stem}.safetensors: test accuracy {result['test_accuracy']:.2%} as stored (float16)")


if __name__ == "__main__":
    sys.exit(main())
