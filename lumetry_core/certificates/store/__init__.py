"""Monitors, their checks and who observes them, in the database."""
