"""The area on the wire."""
