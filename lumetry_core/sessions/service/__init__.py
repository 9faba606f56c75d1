"""The verbs of sessions and messages."""
