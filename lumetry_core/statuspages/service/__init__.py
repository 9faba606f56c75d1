"""What is done with groups, components and the page."""
