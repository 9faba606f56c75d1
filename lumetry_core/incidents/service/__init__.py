"""Verbs of the area: correlation of waiting work, handling by people, reading."""
