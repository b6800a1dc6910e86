"""Files with networks, as the command line takes them."""

from pathlib import Path


def write_network(folder: Path, layers: str) -> None:
    """Write net.py, whose build() returns a sequence of layers such as ``nn.Flatten(), nn.Linear(64, 10)``."""
    (folder / "net.py").write_text(f"from torch import nn\ndef build():\n    return nn.Sequential({layers})\n")
