"""The verbs of the area."""
