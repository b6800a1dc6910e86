"""Tuning: find the parameters of a code, or train the spiking network itself, starting from a converted network."""
