"""What can be done with monitors of certificates."""
