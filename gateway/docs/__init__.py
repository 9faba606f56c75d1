"""The documentation as pages for people."""
