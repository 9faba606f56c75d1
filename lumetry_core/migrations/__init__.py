"""The schema's history: forward-only Alembic migrations, numbered, run by `lumetry migrate` and at start."""
