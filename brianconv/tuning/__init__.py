"""Tuning: find the parameters of a coding scheme, or train the spiking network itself, given a converted network."""
