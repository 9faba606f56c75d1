"""What is done with metric sources."""
