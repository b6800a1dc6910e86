"""Input encodings: how the pixels of an image enter the network."""

from brianconv.coding.neurons import INTEGRATE_AND_FIRE
from brianconv.coding.scheme import InputEncoding

CURRENT = InputEncoding(
    name="current",
    neuron=INTEGRATE_AND_FIRE,
    on_image="drive = pixel",
    source="Hwang et al. (2021), Eq. 3: constant currents into integrate-and-fire input neurons",
)

ENCODINGS = {encoding.name: encoding for encoding in (CURRENT,)}
