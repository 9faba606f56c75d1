"""What is done with containers."""
