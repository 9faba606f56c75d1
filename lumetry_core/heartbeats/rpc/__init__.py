"""Heartbeats and pings on the wire."""
