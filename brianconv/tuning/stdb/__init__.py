"""Training of the spiking network itself by spike-timing-dependent backpropagation (Datta et al. 2021)."""
