"""What the tests of agents share with those of credentials."""

from tests.core.access.conftest import origin_of

__all__ = ["origin_of"]
