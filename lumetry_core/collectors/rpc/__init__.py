"""The area's service on the wire."""
