"""The verbs of log alert rules."""
