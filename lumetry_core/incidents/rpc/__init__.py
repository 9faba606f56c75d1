"""Servicers of incidents and of the live stream."""
