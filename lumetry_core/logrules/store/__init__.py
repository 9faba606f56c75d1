"""Rules and what they have counted, in the database."""
