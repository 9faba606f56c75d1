"""Incidents, members and timelines in the database."""
