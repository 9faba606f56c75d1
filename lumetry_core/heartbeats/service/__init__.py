"""What can be done with heartbeats."""
