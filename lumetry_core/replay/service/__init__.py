"""What a preview reads."""
