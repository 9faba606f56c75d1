"""Sessions and messages on the wire."""
