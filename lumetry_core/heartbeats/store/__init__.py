"""Heartbeats, their pings and their runs in the database."""
