"""From a trained torch network to a spiking network."""
