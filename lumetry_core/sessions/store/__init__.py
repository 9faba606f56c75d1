"""Rows of sessions and messages."""
