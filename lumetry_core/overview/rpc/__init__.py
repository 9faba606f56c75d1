"""The area's services on the wire."""
