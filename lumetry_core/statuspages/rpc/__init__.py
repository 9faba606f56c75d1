"""Status pages on the wire."""
