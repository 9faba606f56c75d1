"""Verbs of the area: administering, enrolling, beating, rotating, working, and noticing who went silent."""
