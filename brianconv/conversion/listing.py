"""List the operations that are converted, for the documentation: python -m brianconv.conversion.listing.

The list is made from the converters themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

from brianconv import connectivity
from brianconv.coding import CODINGS
from brianconv.connectivity.base import Converter
from brianconv.conversion import operations, rearrangements, rectifiers

BECOMES = {
    "dense": "a connection with a weight for every pair",
    "convolution": "a connection whose kernel is shared by all places",
    "transposed_convolution": "a connection whose kernel is shared by all places",
    "average_pooling": "part of the next connection",
    "max_pooling": "a population that passes on the spikes of the leading input",
    "one_dimensional": "the same as its counterpart for images, of one row",
}
RECTIFIERS = "a population; two where it is signed or, unless spikes saturate, clipped"
REARRANGEMENTS = "part of the next connection"
OTHERS = "gains, shifts and shapes that become part of the weights around them"
SIZES = {"size", "dim", "getattr", "zeros_like"}
HEAD = """# Operations that are converted

What of a torch network becomes what, as a module, as a function of `torch` or `torch.nn.functional`, or as a
method of a tensor. Sizes and shape checks (`x.shape`, `x.size(0)`, `if x.dim() == 4`) are followed, and so is
whatever is computed from parameters and buffers alone. Weights may be pruned, normalised (`weight_norm`,
`spectral_norm`) or parametrised in another way; `DataParallel` and `torch.compile` are unwrapped. Anything else is
refused with the path of the module, or the line of your source. `python -m brianconv.conversion.listing` writes
this page.
"""
TAIL = """
**Clipped activations** (ReLU6, `clamp(0, c)`, Hardsigmoid) are one population under {saturating}, whose neurons
saturate at the scale of their layer, and the difference of two populations under {others}. **Signed ones**
(LeakyReLU, PReLU, `abs`, Hardtanh below 0) are the difference of a population for what is above 0 and one for what
is below.

**Maximum pooling** {pooling}. It follows a ReLU, or comes directly before one.

**Refused**, with what to do instead: smooth activations (SiLU, GELU, Softplus, ELU, Tanh), products and quotients
of two activations (attention, gates), normalisation by an image's own statistics (GroupNorm, LayerNorm,
InstanceNorm), recurrent layers, quantised and TorchScript modules, modules without shapes (lazy ones before their
first batch), bicubic upsampling.
"""


def _rows() -> Iterator[tuple[str, str, str, str]]:
    """Yield what an operation is, its modules, its functions and methods, and what becomes of it."""
    listed: set[str] = set()
    for kind in connectivity.KINDS:
        name = kind.__name__.rpartition(".")[2]
        if kind.MODULES or kind.FUNCTIONS:
            listed |= {*kind.MODULES, *kind.FUNCTIONS}
            yield name.replace("_", " "), _names(kind.MODULES), _names(kind.FUNCTIONS), BECOMES[name]
    for what, part, becomes in (
        ("activations", rectifiers, RECTIFIERS),
        ("rearrangements and fixed sums", rearrangements, REARRANGEMENTS),
    ):
        listed |= {*part.MODULES, *part.FUNCTIONS}
        yield what, _names(part.MODULES), _names(part.FUNCTIONS), becomes
    modules, functions = (
        {name: convert for name, convert in known.items() if name not in listed}
        for known in (operations.MODULES, operations.FUNCTIONS)
    )
    yield "everything else", _names(modules), _names(functions), OTHERS


def _names(converters: dict[str, Converter]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(converters, key=str.lower) if name not in SIZES)


def page() -> str:
    """Return the page of the documentation, as Markdown."""
    rows = ["| operation | modules | functions and methods | becomes |", "|---|---|---|---|"]
    rows += [f"| {' | '.join(row)} |" for row in _rows()]
    saturating = [name for name, scheme in CODINGS.items() if scheme.saturates]
    others = [name for name in CODINGS if name not in saturating]
    refusing = [name for name, scheme in CODINGS.items() if scheme.no_max_pooling]
    pooling = f"is refused under {_listed(refusing)}" if refusing else "is converted under every coding scheme"
    tail = TAIL.format(saturating=_listed(saturating), others=_listed(others), pooling=pooling)
    return "\n".join([HEAD, *rows]) + "\n" + tail


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    print(page(), end="")
