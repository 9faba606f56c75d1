"""Tables of metric sources."""
