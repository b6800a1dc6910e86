"""Pre-charged membrane potentials of each layer, for rate coding (Hwang et al. 2021)."""
