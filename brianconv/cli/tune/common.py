"""What the methods share: their arguments, what they load, and the files that they write."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brianconv.cli.loading import load_converted, load_training_images, run_command
from brianconv.cli.options import add_model, positive, text
from brianconv.cli.settings import read_settings
from brianconv.errors import OutputError, ParameterError
from brianconv.files import writable_folder, write_json

if TYPE_CHECKING:
    import numpy as np

    from brianconv.spiking import SpikingNetwork


def add_search(parser: argparse.ArgumentParser, coding: str, n_images: int) -> None:
    """Add model, coding scheme, number of images and output of a search."""
    add_model(parser)
    parser.add_argument("--coding", type=text, default=coding, help=f"neural coding scheme (default: {coding})")
    parser.add_argument(
        "--images", type=positive, default=n_images, metavar="N",
        help=f"training images to tune with (default: {n_images})",
    )  # fmt: skip
    add_out(parser)


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the file of the settings."""
    parser.add_argument(
        "--out", type=text, required=True, metavar="FILE", help="JSON file, for brianconv run --set @FILE"
    )


def check_out(out: str | Path) -> Path:
    """Return the file for the settings; raise OutputError or ParameterError if it cannot be written."""
    path = Path(out)
    if path.is_dir():
        raise OutputError(f"{str(path)!r} is a folder; --out takes the name of a file")
    if path.exists() and not path.is_file():
        raise OutputError(f"{str(path)!r} is not a file, and is not replaced; --out takes the name of a file")
    if path.suffix != ".json":
        raise ParameterError(f"--out {str(out)!r}: settings need a name that ends with .json; curves go beside it")
    writable_folder(path.parent)
    return path


def state_path(out: Path) -> Path:
    """Return the file from which a search resumes."""
    return out.with_name(f".{out.name}.state.json")


def loaded(parsed: argparse.Namespace) -> tuple[SpikingNetwork, np.ndarray]:
    """Return the converted network, and the training images to tune with."""
    converted = load_converted(parsed)
    return converted.spiking, converted.trained.prepared(load_training_images(parsed, parsed.images)).images


def checked(parsed: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Return the output file and the settings, before anything is loaded."""
    return check_out(parsed.out), read_settings(parsed.settings)


def write_tuned(
    parsed: argparse.Namespace, found: Any, settings: Mapping[str, Any], out: Path, seconds: float, n_images: int
) -> None:
    """Write FILE and FILE.curves.json, remove the state of the search, and print what was found.

    Parameters
    ----------
    parsed : Namespace
    found : object
        With ``settings`` and ``curves``.
    settings : mapping
        Settings of the conversion, which are written together with the tuned ones.
    out : Path
    seconds : float
        That the search took.
    n_images : int
    """
    about = {"method": parsed.method, "model": parsed.model, "data": parsed.data, "n_images": n_images}
    curves = out.with_suffix(".curves.json")
    write_json(curves, {**about, "seconds": round(seconds, 1), **found.curves})
    write_json(out, {**settings, **found.settings})
    state = state_path(out)
    for path in (state, state.with_suffix(".refinement.json")):
        path.unlink(missing_ok=True)
    print(table(found.settings))
    print(f"{seconds:.0f} s; curves are in {curves}, settings in {out}:")
    print(run_command(parsed, "--set", f"@{out}"))


def table(settings: Mapping[str, Any]) -> str:
    """Return the values that differ between populations, one population per line."""
    by_population = {key: values for key, values in settings.items() if isinstance(values, dict)}
    populations = list(next(iter(by_population.values())))
    width = max(len(name) for name in populations)
    lines = [" " * width + "".join(f"{key:>10}" for key in by_population)]
    lines += [
        name.ljust(width) + "".join(f"{values[name]:>10.3g}" for values in by_population.values())
        for name in populations
    ]
    return "\n".join(lines)
