"""Verbs of logs."""
