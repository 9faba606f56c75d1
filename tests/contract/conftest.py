"""The gateway and the core behind it, for every test here."""

from tests.gateway.fake_core import client, core, url

__all__ = ["client", "core", "url"]
