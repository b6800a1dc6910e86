"""A traced tensor: the sum of affine paths that lead from finished layers to it.

Each linear operation extends every path; an addition puts the paths of both operands side by side. When a ReLU
follows, or the network ends, the paths become the connections of one layer, which adds up what arrives through them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from brianconv.connectivity.base import Connectivity, Shape, Weighted
from brianconv.connectivity.channel_padding import ChannelPadding
from brianconv.connectivity.folding import Chain, appended, as_selection
from brianconv.connectivity.one_to_one import OneToOne
from brianconv.connectivity.reshape import Reshape
from brianconv.connectivity.selection import Selection
from brianconv.errors import ShapeError, UnsupportedLayerError

MOST_BRANCHES = 256
# traced sizes carry the batch as this unlikely number, so that `x.view(x.size(0), -1)` can be followed
BATCH_SIZE = 10007
ONE = np.ones(())


@dataclass(frozen=True, eq=False)
class Branch:
    """A path from a finished layer.

    Attributes
    ----------
    source : str
        Name of the layer.
    shape : tuple of int
        Shape at the end of the path.
    chain : tuple of Connectivity
        May be empty: the layer's activation itself.
    modules : tuple of str
        Paths of the torch modules along it.
    name : str or None
        Path of the module with the last trained weights.
    """

    source: str
    shape: Shape
    chain: Chain = ()
    modules: tuple[str, ...] = ()
    name: str | None = None

    def then(self, connectivity: Connectivity, module: str) -> Branch:
        """Return the path followed by a connectivity."""
        names_it = isinstance(connectivity, Weighted) or (connectivity.weighted and self.name is None)
        return Branch(
            self.source,
            connectivity.output_shape,
            appended(self.chain, connectivity),
            (*self.modules, module) if module else self.modules,
            module if names_it and module else self.name,
        )

    @property
    def padding(self) -> ChannelPadding | None:
        """The range of channels in which the path ends, if it is not all of them."""
        return self.chain[-1] if self.chain and isinstance(self.chain[-1], ChannelPadding) else None

    @property
    def gain(self) -> OneToOne | None:
        """The path as a gain and a shift of the layer's activation, if it is no more than that."""
        if not self.chain:
            return OneToOne(ONE, self.shape)
        return self.chain[0] if len(self.chain) == 1 and isinstance(self.chain[0], OneToOne) else None


@dataclass(frozen=True, eq=False)
class Traced:
    """A traced tensor, without its axis of images.

    Attributes
    ----------
    branches : tuple of Branch
        All of one shape; the tensor is their sum.
    """

    branches: tuple[Branch, ...]

    @classmethod
    def layer(cls, name: str, shape: Shape) -> Traced:
        """Return the activation of a finished layer."""
        return cls((Branch(name, shape),))

    @property
    def shape(self) -> Shape:
        return self.branches[0].shape

    @property
    def finished(self) -> str | None:
        """Name of the layer whose activation this is, if nothing has been done to it."""
        only = self.branches[0]
        return only.source if len(self.branches) == 1 and not only.chain else None

    def then(self, connectivity: Connectivity, module: str = "") -> Traced:
        """Return the tensor after an affine map; its bias is added once."""
        first, *others = self._reaching(connectivity)
        linear = connectivity.linear() if others else connectivity
        return _sum((first.then(connectivity, module), *(branch.then(linear, module) for branch in others)))

    def _reaching(self, connectivity: Connectivity) -> tuple[Branch, ...]:
        """Return the paths from which a selection takes values; the first one if it takes values from none."""
        if not isinstance(connectivity, Selection):
            return self.branches
        reaching = tuple(
            branch
            for branch in self.branches
            if not (branch.chain and isinstance(branch.chain[-1], (Selection, Reshape, ChannelPadding)))
            or as_selection(branch.chain[-1]).then(connectivity).n_edges
        )
        return reaching or self.branches[:1]

    def changed(self, gain: np.ndarray, shift: np.ndarray | None, module: str = "") -> Traced:
        """Return the tensor times a gain plus a shift, which broadcast against its shape."""
        parts = self.parts()
        if len(parts) == 1:
            return self.then(OneToOne(gain, self.shape, shift), module)
        pieces = []
        for part, padding in parts:
            assert padding is not None
            here = [_narrowed(values, padding, self.shape) for values in (gain, shift)]
            assert here[0] is not None
            pieces.append(part.changed(here[0], here[1], module).then(padding))
        return _sum(branch for piece in pieces for branch in piece.branches)

    def reshaped(self, shape: Shape, module: str = "") -> Traced:
        """Return the tensor in another shape."""
        return self if shape == self.shape else self.then(Reshape(self.shape, shape), module)

    def plus(self, other: Traced) -> Traced:
        """Return the sum of two tensors of one shape."""
        if self.shape != other.shape:
            raise ShapeError(
                f"adds tensors of shapes {self.shape} and {other.shape}; they must be equal, as after a 1 x 1 "
                "convolution in the shortcut"
            )
        return _sum((*self.branches, *other.branches))

    def parts(self) -> list[tuple[Traced, ChannelPadding | None]]:
        """Return the tensors of which this one is a concatenation, with their places; only itself if it is not one."""
        by_range: dict[tuple[int, int], list[Branch]] = {}
        for branch in self.branches:
            place = branch.padding
            if place is None:
                return [(self, None)]
            by_range.setdefault((place.range.start, place.range.stop), []).append(branch)
        ranges = sorted(by_range)
        edges = [0, *(stop for _, stop in ranges)]
        if [start for start, _ in ranges] != edges[:-1] or edges[-1] != self.shape[0]:
            return [(self, None)]
        return [_part(by_range[where]) for where in ranges]


def concatenated(tensors: Iterable[Traced]) -> Traced:
    """Concatenate tensors along their channels."""
    tensors = list(tensors)
    tensors = [tensor for tensor in tensors if tensor.shape[0]] or tensors
    rest = {tensor.shape[1:] for tensor in tensors}
    if len(rest) != 1:
        raise ShapeError(
            f"concatenates tensors of shapes {', '.join(str(t.shape) for t in tensors)}; "
            "they may differ in their channels only"
        )
    if len(tensors) == 1:
        return tensors[0]
    first, total = 0, sum(tensor.shape[0] for tensor in tensors)
    placed: list[Branch] = []
    for tensor in tensors:
        placed += tensor.then(ChannelPadding(tensor.shape, total, first)).branches
        first += tensor.shape[0]
    return _sum(placed)


def _narrowed(values: np.ndarray | None, padding: ChannelPadding, shape: Shape) -> np.ndarray | None:
    if values is None or values.size == 1:
        return values
    return values[padding.range] if values.shape[0] == shape[0] and values.ndim == len(shape) else values


def _part(branches: list[Branch]) -> tuple[Traced, ChannelPadding]:
    place = branches[0].padding
    assert place is not None
    return Traced(tuple(replace(b, chain=b.chain[:-1], shape=place.input_shape) for b in branches)), place


def _sum(branches: Iterable[Branch]) -> Traced:
    """Add paths up; paths that differ only in a gain become one."""
    kept: list[Branch] = []
    for branch in branches:
        for k, other in enumerate(kept):
            together = _together(other, branch)
            if together is not None:
                kept[k] = together
                break
        else:
            kept.append(branch)
    if len(kept) > MOST_BRANCHES:
        raise UnsupportedLayerError(
            f"adds up {len(kept)} paths from earlier layers without a ReLU after an addition (at most "
            f"{MOST_BRANCHES}), each of which would need synapses of its own; put a ReLU after the additions"
        )
    return Traced(tuple(kept))


def _together(a: Branch, b: Branch) -> Branch | None:
    """Return the sum of two paths as one path, if they are the same path or differ in a gain only."""
    if a.source != b.source or a.shape != b.shape:
        return None
    modules = tuple(dict.fromkeys((*a.modules, *b.modules)))
    if a.chain and len(a.chain) == len(b.chain) and all(x is y for x, y in zip(a.chain, b.chain, strict=True)):
        return replace(a.then(OneToOne(2 * ONE, a.shape), ""), modules=modules)
    one, other = a.gain, b.gain
    if one is None or other is None:
        return None
    biases = [gain.bias for gain in (one, other) if gain.bias is not None]
    bias = np.asarray(sum(biases)) if biases else None
    both = OneToOne(np.asarray(one.weight + other.weight), a.shape, bias)
    return replace(a, chain=(both,), modules=modules, name=a.name or b.name)
