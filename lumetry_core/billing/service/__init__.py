"""Counting usage, and what follows from it."""
