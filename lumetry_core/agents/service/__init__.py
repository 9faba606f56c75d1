"""The verbs of agents."""
