"""Secrets of sources, and to whom they may go."""

from dataclasses import replace

import pytest

from lumetry_core.access.vault import VaultError
from lumetry_core.collectors.agent.polling.model import Target
from lumetry_core.metricsources.model import Definition, SourceType
from lumetry_core.metricsources.sealing import leads_elsewhere, seal, unseal
from tests.core.metricsources.building import VAULT
from tests.core.metricsources.test_judging import SOURCE

WEB = Definition(name="a", type=SourceType.PROMETHEUS, target=Target(base_url="https://p.example/prom", username="a"), items=())
DATABASE = Definition(
    name="a", type=SourceType.POSTGRES, target=Target(host="db", port=5432, database="a", username="a", tls=True), items=()
)


def test_secret_opens_for_its_organization_alone() -> None:
    """What is sealed for one organization is of no use in another."""
    sealed = seal(VAULT, 7, "hunter2")
    assert sealed is not None
    assert b"hunter2" not in sealed
    assert unseal(VAULT, 7, sealed) == "hunter2"
    with pytest.raises(VaultError):
        unseal(VAULT, 8, sealed)


def test_empty_secret_is_none() -> None:
    """Nothing is stored of nothing."""
    assert seal(VAULT, 7, "") is None
    assert unseal(VAULT, 7, None) == ""


@pytest.mark.parametrize(
    ("before", "after", "elsewhere"),
    [
        (WEB, Target(base_url="https://p.example/other", username="b"), False),
        (WEB, Target(base_url="https://P.example:443/prom"), False),
        (WEB, Target(base_url="http://p.example/prom"), True),
        (WEB, Target(base_url="https://p.example:9090/prom"), True),
        (WEB, Target(base_url="https://evil.example/prom"), True),
        (DATABASE, replace(DATABASE.target, database="b", username="b"), False),
        (DATABASE, replace(DATABASE.target, host="evil"), True),
        (DATABASE, replace(DATABASE.target, port=5433), True),
        (DATABASE, replace(DATABASE.target, tls=False), True),
    ],
)
def test_leads_elsewhere_with_another_place(before: Definition, after: Target, *, elsewhere: bool) -> None:
    """Another host, port or scheme is another place, and so is one that is reached in the clear; another path or user is not."""
    source = replace(SOURCE, definition=before)
    assert leads_elsewhere(source, replace(before, target=after)) is elsewhere


def test_leads_elsewhere_with_another_type() -> None:
    """Prometheus and Thanos are the same to a secret; a database on the same host is not."""
    source = replace(SOURCE, definition=WEB)
    assert not leads_elsewhere(source, replace(WEB, type=SourceType.THANOS))
    assert leads_elsewhere(source, replace(WEB, type=SourceType.HTTP))
