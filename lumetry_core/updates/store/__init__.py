"""The area's tables."""
