"""The services of the area."""
