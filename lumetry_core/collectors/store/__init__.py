"""Tables of the area, one module for each noun."""
