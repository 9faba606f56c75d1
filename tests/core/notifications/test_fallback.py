import json
from typing import Any

import pytest

from lumetry_core.notifications.fallback import find_fallback_fault
from lumetry_core.notifications.model import MASK, IntegrationType, Secrets
from lumetry_core.notifications.sealing import build_fallback, unseal
from lumetry_core.runtime.addresses import GLOBAL_ONLY, PRIVATE_TOO
from tests.core.notifications.integrating import VAULT

TARGET = {"type": "Webhook", "endpointUrl": "https://hooks.example.com/in", "headers": {"X-A": "b"}, "secret": "hidden"}


def test_build_fallback_makes_an_integration_of_the_deployment() -> None:
    """Its secrets are sealed like those of any other."""
    made = build_fallback(json.dumps(TARGET), GLOBAL_ONLY, VAULT)
    assert made is not None
    assert (made.id, made.is_fallback, made.name, made.type) == (0, True, "Fallback target", IntegrationType.WEBHOOK)
    assert (made.endpoint_url, made.header_names, made.has_secret) == ("https://hooks.example.com/in", ("X-A",), True)
    assert unseal(VAULT, made) == Secrets("hidden", {"X-A": "b"})
    assert "hidden" not in repr(made)


@pytest.mark.parametrize("text", ["", "  "])
def test_build_fallback_of_nothing_is_none(text: str) -> None:
    """An operator need not set one."""
    assert build_fallback(text, GLOBAL_ONLY, VAULT) is None


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        ("hidden", "is not a JSON object"),
        ("[]", "Expected `object`, got `array`"),
        ({"endpointUrl": "https://hidden/"}, "Object missing required field `type`"),
        (TARGET | {"url": "hidden"}, "Object contains unknown field `url`"),
        (TARGET | {"type": "hidden"}, "type must be one of Webhook, Slack, MicrosoftTeams, PagerDuty, ServiceNow"),
        (TARGET | {"endpointUrl": None}, "endpointUrl is required"),
        (TARGET | {"headers": {"X-A": MASK}}, "headers.X-A has no stored value to keep"),
        ({"type": "PagerDuty"}, "secret is required"),
        (TARGET | {"endpointUrl": "http://example.com/hidden"}, "endpointUrl must be an https URL"),
    ],
)
def test_find_fallback_fault_repeats_nothing_of_it(target: Any, fault: str) -> None:
    """It holds secrets, and operators put them in the wrong places."""
    assert find_fallback_fault(target if isinstance(target, str) else json.dumps(target), GLOBAL_ONLY) == fault


def test_find_fallback_fault_follows_the_deployment() -> None:
    """Private receivers are allowed where the operator allows them."""
    text = json.dumps({"type": "Webhook", "endpointUrl": "http://127.0.0.1:9/"})
    assert (find_fallback_fault(text, PRIVATE_TOO), find_fallback_fault(text, GLOBAL_ONLY)) == (None, "endpointUrl must be an https URL")
