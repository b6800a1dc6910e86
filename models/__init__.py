"""Architectures, training recipes and weights; the package brianconv does not depend on them."""
