"""Servicer of the topology."""
