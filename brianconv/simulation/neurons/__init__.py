"""Passes over all neurons of a population."""
