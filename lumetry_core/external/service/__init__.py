"""Verbs of the area: sources, definitions, taking deliveries in, and working them off."""
