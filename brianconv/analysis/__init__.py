"""Accuracy, energy and pictures of recordings."""
