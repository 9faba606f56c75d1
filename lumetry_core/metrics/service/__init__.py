"""Verbs of metrics."""
