"""Logs on the wire."""
