from typing import Any

import pytest

from lumetry_core.access.redaction import redact

SECRET = "lmt_" + "0123456789abcdef" * 3


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        ({"name": "db", "password": "x"}, {"name": "db", "password": "•••"}),
        (
            {"passwordHash": "x", "refresh_token": "y", "X-Api-Key": "z"},
            {"passwordHash": "•••", "refresh_token": "•••", "X-Api-Key": "•••"},
        ),
        ({"clientSecret": {"a": 1}, "credential": ["x"]}, {"clientSecret": "•••", "credential": "•••"}),
        ({"hasSecret": True, "token": None, "prefix": "lmt_01234567"}, {"hasSecret": True, "token": None, "prefix": "lmt_01234567"}),
        ({"headers": {"X-Team": "ops"}, "nested": [{"secret": 7}]}, {"headers": {"X-Team": "•••"}, "nested": [{"secret": "•••"}]}),
        ({"note": f"use {SECRET}, please"}, {"note": "use •••, please"}),
        ({"tokenCount": 3, "unit": "percent"}, {"tokenCount": 3, "unit": "percent"}),
    ],
)
def test_redact_by_key_and_shape(value: Any, redacted: Any) -> None:
    """Secrets go, what is needed to understand the change stays."""
    assert redact(value) == redacted
