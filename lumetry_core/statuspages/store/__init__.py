"""Groups, components and the told page in the database."""
