"""Spiking networks as Brian2 objects and C++ programs, and how they run."""
