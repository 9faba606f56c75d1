"""Verbs of the area: transitions made by evaluation, handling by people, membership in incidents, reading, system alerts."""
