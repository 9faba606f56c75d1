"""Verbs of the area: standalone endpoints, labels of containers, reading, checking and upkeep."""
