"""Verbs of the area, one module per noun."""
