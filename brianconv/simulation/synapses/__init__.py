"""Connections as Brian2 objects: structured, with one kernel each, or explicit."""
