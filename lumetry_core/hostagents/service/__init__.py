"""The verbs of host agents."""
