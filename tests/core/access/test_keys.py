import pytest

from lumetry_core.access.keys import SCOPES, expand_scopes


@pytest.mark.parametrize(
    ("scopes", "expanded"),
    [
        ((), None),
        (("user:read",), {"user:read"}),
        (("logs:write", "files:read"), {"logs:read", "logs:write", "files:read"}),
        (SCOPES, set(SCOPES)),
    ],
)
def test_expand_scopes_of_keys(scopes: tuple[str, ...], expanded: set[str] | None) -> None:
    """Writing includes reading; no scopes narrow nothing."""
    assert expand_scopes(scopes) == expanded
