"""A pipeline on a real database, whose points are replayed."""

from tests.pipeline.conftest import plant

__all__ = ["plant"]
