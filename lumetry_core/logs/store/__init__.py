"""Rows of logs."""
