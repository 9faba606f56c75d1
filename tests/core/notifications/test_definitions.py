from typing import Any

import pytest

from lumetry_core.notifications.definitions import (
    IntegrationDefinition,
    ProfileDefinition,
    check_integration,
    check_profile,
)
from lumetry_core.notifications.drafts import ProfileDraft
from lumetry_core.notifications.model import MASK, IntegrationType
from lumetry_core.rules.model import Severity
from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO, Policy
from lumetry_core.runtime.errors import Faults, LumetryError
from tests.core.notifications.integrating import draft


def faults_of(fields: dict[str, Any], policy: Policy = GLOBAL_ONLY) -> list[tuple[str, str]]:
    """Everything wrong with an integration."""
    faults = Faults()
    check_integration(draft(**fields), policy, faults)
    return told(faults)


def told(faults: Faults) -> list[tuple[str, str]]:
    try:
        faults.raise_if_any()
    except LumetryError as error:
        return [(fault.path, fault.message) for fault in error.faults]
    return []


def test_check_integration_reads_what_was_sent() -> None:
    """Names are trimmed; headers are known by their names, ascending."""
    faults = Faults()
    sent = draft(name=" Ops ", endpoint_url=" https://hooks.example.com/in ", headers={"X-B": "1", "x-a": MASK}, config={"k": "v"})
    assert check_integration(sent, GLOBAL_ONLY, faults) == IntegrationDefinition(
        name="Ops",
        type=IntegrationType.WEBHOOK,
        endpoint_url="https://hooks.example.com/in",
        header_names=("x-a", "X-B"),
        config={"k": "v"},
        is_enabled=True,
    )
    assert not faults


REQUIRED = "is required"
OWN = "is set by the sender alone"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"type": "webhook"}, [("type", "must be one of Webhook, Slack, MicrosoftTeams, PagerDuty, ServiceNow")]),
        ({"endpoint_url": None}, [("endpointUrl", REQUIRED)]),
        ({"endpoint_url": " "}, [("endpointUrl", REQUIRED)]),
        ({"type": "Slack", "endpoint_url": None}, [("endpointUrl", REQUIRED)]),
        ({"type": "MicrosoftTeams", "endpoint_url": ""}, [("endpointUrl", REQUIRED)]),
        ({"type": "PagerDuty", "endpoint_url": None}, []),
        ({"endpoint_url": "hooks.example.com"}, [("endpointUrl", "must be an absolute http or https URL")]),
        ({"endpoint_url": "https://a:b@example.com/"}, [("endpointUrl", "must not hold a user name or password")]),
        ({"endpoint_url": "http://example.com/"}, [("endpointUrl", "must be an https URL")]),
        ({"endpoint_url": "https://10.0.0.1/"}, [("endpointUrl", "must not lead to 10.0.0.1: it is not a global address")]),
        ({"endpoint_url": f"https://example.com/{'x' * 2048}"}, [("endpointUrl", "must have at most 2048 characters")]),
        (
            {"type": "ServiceNow", "endpoint_url": "https://x.service-now.com/?a=b", "config": {"userName": "u"}},
            [("endpointUrl", "must be the instance's address without a query")],
        ),
        ({"type": "ServiceNow"}, [("config.userName", REQUIRED)]),
        ({"type": "ServiceNow", "config": {"userName": "a:b"}}, [("config.userName", "must not contain a colon")]),
        ({"type": "Slack", "headers": {"X-A": "b"}}, [("headers", "must be empty: only a Webhook has headers")]),
        ({"headers": {f"X-{n}": "b" for n in range(51)}}, [("headers", "must have at most 50 members")]),
        ({"headers": {"X A": "b"}}, [("headers", "must have names of 1 to 100 letters, digits and !#$%&'*+.^_`|~-")]),
        ({"headers": {"": "b"}}, [("headers", "must have names of 1 to 100 letters, digits and !#$%&'*+.^_`|~-")]),
        ({"headers": {"Host": "b"}}, [("headers.Host", OWN)]),
        ({"headers": {"content-length": "1"}}, [("headers.content-length", OWN)]),
        ({"headers": {"Transfer-Encoding": "chunked"}}, [("headers.Transfer-Encoding", OWN)]),
        ({"headers": {"Proxy-Authorization": "b"}}, [("headers.Proxy-Authorization", OWN)]),
        ({"headers": {"Idempotency-Key": "b"}}, [("headers.Idempotency-Key", OWN)]),
        ({"headers": {"X-LUMETRY-SIGNATURE": "b"}}, [("headers.X-LUMETRY-SIGNATURE", OWN)]),
        ({"headers": {"X-A": "b", "x-a": "c"}}, [("headers.x-a", "is named twice, ignoring case")]),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, [("headers.X-A", "must be printable ASCII without outer blanks")]),
        ({"headers": {"X-A": "\u00e4"}}, [("headers.X-A", "must be printable ASCII without outer blanks")]),
        ({"headers": {"X-A": "b" * 4097}}, [("headers.X-A", "must have at most 4096 characters")]),
        ({"config": {"apiKey": "x"}}, [("config.apiKey", "must not hold a secret: config is readable, send it as secret")]),
        ({"config": {"password": "x"}}, [("config.password", "must not hold a secret: config is readable, send it as secret")]),
        ({"config": {"a": "x" * 501}}, [("config.a", "must have at most 500 characters")]),
        ({"config": {"a": "\0"}}, [("config.a", "must not contain the character NUL")]),
        ({"config": {"a b": "x"}}, [("config", "must have names of 1 to 100 letters, digits and !#$%&'*+.^_`|~-")]),
        ({"config": {f"k{n}": "x" for n in range(21)}}, [("config", "must have at most 20 members")]),
        ({"secret": "x" * 4097}, [("secret", "must have at most 4096 characters")]),
        ({"secret": "\0"}, [("secret", "must not contain the character NUL")]),
        (
            {"type": "Slack", "collector_id": "d97e2b99-81bd-43aa-823d-dc5f78cd5429"},
            [("collectorId", "must be null: collectors deliver a Webhook only")],
        ),
        (
            {"name": "", "type": "?", "endpoint_url": "x", "headers": {"Host": "a"}, "secret": "\0"},
            [
                ("type", "must be one of Webhook, Slack, MicrosoftTeams, PagerDuty, ServiceNow"),
                ("headers.Host", OWN),
                ("secret", "must not contain the character NUL"),
                ("name", "must have between 1 and 200 characters"),
                ("endpointUrl", "must be an absolute http or https URL"),
            ],
        ),
    ],
)
def test_check_integration_names_every_fault(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Each with its path in the contract."""
    assert faults_of(fields) == expected


def test_check_integration_lets_private_receivers_pass_where_allowed() -> None:
    """Plain http too."""
    assert faults_of({"endpoint_url": "http://10.0.0.1:8080/in"}, PRIVATE_TOO) == []


def test_check_profile_fills_in_the_documented_defaults() -> None:
    """What is left out is told of everything at once."""
    faults = Faults()
    assert check_profile(ProfileDraft(name=" Ops ", integration_ids=[2, 1]), faults) == ProfileDefinition(
        name="Ops",
        is_default=False,
        is_enabled=True,
        cooldown_minutes=0,
        notify_on_open=True,
        notify_on_escalate=True,
        notify_on_close=True,
        min_severity=Severity.WARNING,
        integration_ids=(2, 1),
    )
    assert not faults


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": " "}, [("name", "must have between 1 and 200 characters")]),
        ({"cooldown_minutes": -1}, [("cooldownMinutes", "must be between 0 and 1440")]),
        ({"cooldown_minutes": 1441}, [("cooldownMinutes", "must be between 0 and 1440")]),
        ({"min_severity": "warning"}, [("minSeverity", "must be one of Warning, Critical")]),
        ({"integration_ids": ()}, [("integrationIds", "must have between 1 and 100 items")]),
        ({"integration_ids": list(range(1, 102))}, [("integrationIds", "must have between 1 and 100 items")]),
        ({"integration_ids": (1, 2, 1)}, [("integrationIds[2]", "names integration 1 twice")]),
    ],
)
def test_check_profile_names_every_fault(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Each with its path in the contract."""
    faults = Faults()
    check_profile(ProfileDraft(**{"name": "Ops", "integration_ids": (1,)} | fields), faults)
    assert told(faults) == expected
