"""The verbs of files."""
