import json
from typing import Any

import pytest

from lumetry.rules.v1 import rule_pb2, rule_service_pb2
from lumetry_core.runtime.errors import LumetryError, Reason

AUTHORIZED = {"Authorization": "Bearer lmt_1", "Content-Type": "application/json"}


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_rules_are_never_deleted(method: str, client: Any, url: str) -> None:
    """A rule is disabled: there is no such method, and the answer says which ones there are."""
    async with client.request(method, f"{url}/api/rules/17", headers=AUTHORIZED) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD, PUT"
        assert (await response.json(content_type=None))["type"] == "about:blank"


async def test_zero_is_a_parameter_and_null_is_none(client: Any, core: Any, url: str) -> None:
    """A limit of 0 reaches the core as given; null does not reach it at all."""
    core.answers["CreateRule"] = LumetryError(Reason.VALIDATION_FAILED, "no")
    body = {
        "name": "n",
        "tolerancePercent": 0,
        "stddevMultiplier": None,
        "conditions": [{"metricId": "a", "staticUpper": 0.0, "staticLower": None}],
        "alertLevels": [{"severity": "Warning", "recoveryMinutes": 0, "recoveryTolerancePercent": 0, "recoveryStddevMultiplier": None}],
    }
    async with client.post(f"{url}/api/rules", headers=AUTHORIZED, data=json.dumps(body)) as response:
        assert response.status == 400
    [asked] = core.requests("CreateRule")
    assert asked == rule_service_pb2.CreateRuleRequest(
        definition=rule_pb2.RuleDefinition(
            name="n",
            tolerance_percent=0.0,
            conditions=[rule_pb2.RuleCondition(metric_key="a", static_upper=0.0)],
            alert_levels=[rule_pb2.AlertLevel(severity="Warning", recovery_minutes=0, recovery_tolerance_percent=0.0)],
        )
    )
