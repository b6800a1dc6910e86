"""Kernels of each layer, for time-to-first-spike coding (Park et al. 2020)."""
