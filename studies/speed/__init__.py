"""The benchmark: the same network on the same images, simulated by this package and by others, side by side."""
