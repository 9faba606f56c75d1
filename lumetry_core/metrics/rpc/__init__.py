"""Servicers of ingestion and of the catalog."""
