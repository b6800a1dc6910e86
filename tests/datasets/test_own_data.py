"""Images and labels under the names and in the shapes that people have them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, TensorDataset

from brianconv import datasets
from brianconv.errors import DataError, NoTrainingImagesError
from brianconv.images import image_array

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 6, 5), dtype=np.uint8)
LABELS = np.array([2, 0, 1, 2])
FRACTIONS = PIXELS.astype(np.float32) / 255


@pytest.mark.parametrize(
    ("arrays", "images"),
    [
        ({"images": PIXELS, "labels": LABELS}, FRACTIONS),
        ({"images": FRACTIONS, "labels": LABELS}, FRACTIONS),
        ({"x_test": PIXELS, "y_test": LABELS}, FRACTIONS),
        ({"X": PIXELS, "y": LABELS}, FRACTIONS),
        ({"images": PIXELS.transpose(0, 2, 3, 1), "labels": LABELS}, FRACTIONS),
        ({"images": PIXELS[:, 0], "labels": LABELS}, FRACTIONS[:, :1]),
        ({"images": FRACTIONS[:, 0], "labels": LABELS}, FRACTIONS[:, :1]),
        ({"signals": FRACTIONS[:, 0], "labels": LABELS}, FRACTIONS[:, 0]),
        ({"images": PIXELS, "labels": np.eye(3)[LABELS]}, FRACTIONS),
        ({"images": PIXELS, "labels": np.eye(3, dtype=int)[LABELS]}, FRACTIONS),
    ],
)
def test_names_and_shapes_of_arrays(arrays, images, tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays)
    found = datasets.load(str(tmp_path / "mine.npz"))
    np.testing.assert_array_equal(found.images, images)
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.images.dtype == np.float32 and found.labels.dtype == np.int64


def test_training_images_under_the_names_of_keras(tmp_path):
    np.savez(tmp_path / "k.npz", x_train=PIXELS[:2], y_train=LABELS[:2], x_test=PIXELS[2:], y_test=LABELS[2:])
    train, test = (datasets.load(str(tmp_path / "k.npz"), split) for split in ("train", "test"))
    np.testing.assert_array_equal(np.concatenate([train.images, test.images]), FRACTIONS)
    assert "8-bit pixels, divided by 255" in test.notes


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((4, 3), 0.5), "labels \\(4, 3\\)"),
        (np.array([[1, 1], [0, 1], [1, 0], [0, 1]]), "labels \\(4, 2\\)"),
        (LABELS + 0.5, "labels integers"),
    ],
)
def test_labels_that_name_no_class_are_refused(labels, message, tmp_path):
    np.savez(tmp_path / "mine.npz", images=PIXELS, labels=labels)
    with pytest.raises(DataError, match=message):
        datasets.load(str(tmp_path / "mine.npz"))


def written(folder, pictures):
    for k, picture in enumerate(pictures):
        place = folder / f"class {LABELS[k]}"
        place.mkdir(parents=True, exist_ok=True)
        picture.save(place / f"{k}.png")


def test_folders_of_png_files(tmp_path):
    written(tmp_path / "flat", [Image.fromarray(image.transpose(1, 2, 0)) for image in PIXELS])
    found = datasets.load(str(tmp_path / "flat"))
    order = np.argsort(LABELS, kind="stable")
    np.testing.assert_array_equal(found.images, FRACTIONS[order])
    np.testing.assert_array_equal(found.labels, LABELS[order])
    assert found.notes == ("classes in order: class 0, class 1, class 2",)
    with pytest.raises(NoTrainingImagesError):
        datasets.load(str(tmp_path / "flat"), "train")
    for split in ("train", "test"):
        written(tmp_path / "both" / split, [Image.fromarray(image[0]) for image in PIXELS])
    grey = datasets.load(str(tmp_path / "both"), "train")
    np.testing.assert_array_equal(grey.images, FRACTIONS[order][:, :1])


def test_grey_and_deep_pictures_beside_colour(tmp_path):
    deep = (PIXELS[0, 0].astype(np.uint16) * 257).astype(np.uint16)
    written(tmp_path, [Image.fromarray(deep), Image.fromarray(PIXELS[1].transpose(1, 2, 0))])
    found = datasets.load(str(tmp_path))
    np.testing.assert_allclose(found.images[1], np.repeat(FRACTIONS[0, :1], 3, axis=0), atol=1e-6)


def test_folders_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"0 files CLASS/\*\.png"):
        datasets.load(str(tmp_path))
    written(tmp_path, [Image.fromarray(PIXELS[0, 0]), Image.fromarray(PIXELS[1, 0][:4])])
    with pytest.raises(DataError, match="must be of one size"):
        datasets.load(str(tmp_path))
    (tmp_path / "class 0" / "1.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="no readable PNG"):
        datasets.load(str(tmp_path))


class Pictures(Dataset):
    """A data set as torchvision makes them: pictures and labels."""

    def __len__(self):
        return len(PIXELS)

    def __getitem__(self, k):
        return Image.fromarray(PIXELS[k].transpose(1, 2, 0)), int(LABELS[k])


@pytest.mark.parametrize(
    "images",
    [
        PIXELS,
        torch.as_tensor(PIXELS),
        Pictures(),
        TensorDataset(torch.as_tensor(PIXELS), torch.as_tensor(LABELS)),
        DataLoader(TensorDataset(torch.as_tensor(PIXELS), torch.as_tensor(LABELS)), batch_size=3),
        DataLoader(TensorDataset(torch.as_tensor(FRACTIONS)), batch_size=3),
        [torch.as_tensor(image) for image in FRACTIONS],
    ],
)
def test_images_in_python(images):
    np.testing.assert_allclose(image_array(images), FRACTIONS, atol=1e-7)


def test_binary_pictures_of_8_bits_stay_what_they_are():
    np.testing.assert_array_equal(image_array(PIXELS % 2), PIXELS % 2)


def test_the_command_takes_a_folder_and_a_signal(tmp_path, monkeypatch, numpy_target):
    from brianconv.cli import main

    monkeypatch.chdir(tmp_path)
    written(tmp_path / "pictures", [Image.fromarray(image.transpose(1, 2, 0)) for image in PIXELS])
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def pictures():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))\n"
        "def signals():\n"
        "    return nn.Sequential(nn.Conv1d(6, 4, 3), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True),\n"
        "        nn.Flatten(), nn.Linear(8, 3))\n"
    )
    np.savez("signals.npz", signals=FRACTIONS[:, 0], labels=LABELS, train_signals=FRACTIONS[:, 0], train_labels=LABELS)
    options = ["--images", "2", "--steps", "8", "--mode", "runtime", "--report", "--plot", "raster", "traces"]
    for name, data in (("pictures", "pictures"), ("signals", "signals.npz")):
        assert main(["run", f"net.py:{name}", "--data", data, *options, "--out", f"out_{name}"]) == 0
        assert (tmp_path / f"out_{name}" / "report.html").exists()
