"""Verbs of the area: transitions by rules and detectors, handling by people, membership in incidents, reading, system alerts."""
