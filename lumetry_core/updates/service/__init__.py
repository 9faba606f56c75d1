"""The area's verbs."""
