"""What a configuration of Gatus comes to."""

from pathlib import Path
from typing import Any

import pytest

from lumetry_core.importing.gatus import read_configuration
from lumetry_core.importing.gatus_conditions import read_conditions
from lumetry_core.importing.plan import CertificatePlan, ChannelPlan, EndpointPlan, ExportError, HeartbeatPlan, Item, Left, Pace, Plan
from lumetry_core.importing.values import spell_statuses

SAMPLE = Path(__file__).parent / "samples" / "gatus.yaml"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_configuration(SAMPLE.read_bytes(), {"SLACK_TOKEN": "s3cr3t-slack"})


def items(plan: Plan, kind: type[Item]) -> list[Any]:
    return [item for item in plan.items if isinstance(item, kind)]


def test_read_endpoints(plan: Plan) -> None:
    """Checks keep interval, thresholds, statuses and client; what is lost is told."""
    assert items(plan, EndpointPlan) == [
        EndpointPlan(
            name="shop/front",
            endpoint_type="http",
            target="https://shop.example.com/health?token=s3cr3t",
            pace=Pace(30, 5, 5, 4),
            expected_status="2xx",
            tls_verify=False,
            headers={"X-Api-Key": "s3cr3t-slack"},
            max_redirects=0,
            remarks=("`[BODY].status == UP` is not looked at",),
        ),
        EndpointPlan(
            name="blog/front",
            endpoint_type="http",
            target="http://blog.example.com:8080/",
            pace=Pace(60, 10, 7, 4),
            expected_status="200",
            max_redirects=10,
            remarks=("`[RESPONSE_TIME] < 500` is not looked at",),
        ),
        EndpointPlan(
            name="api",
            endpoint_type="http",
            target="https://api.example.com/v1",
            pace=Pace(5, 5, 3, 2),
            method="POST",
            expected_status="200,429",
            max_redirects=10,
            remarks=("the interval in seconds becomes 5 instead of 0.5", "the request has no body"),
        ),
        EndpointPlan(
            name="mail",
            endpoint_type="tcp",
            target="mail.example.com:993",
            pace=Pace(60, 10, 3, 2),
            remarks=("only whether a connection can be made is checked",),
        ),
        EndpointPlan(name="database", endpoint_type="tcp", target="db.example.com:5432", pace=Pace(90, 10, 3, 2)),
        EndpointPlan(
            name="bastion",
            endpoint_type="tcp",
            target="bastion.example.com:22",
            pace=Pace(60, 10, 3, 2),
            remarks=("only whether a connection can be made is checked",),
        ),
    ]


def test_read_certificates(plan: Plan) -> None:
    """Conditions on a certificate's end become the first day on which it warns."""
    assert items(plan, CertificatePlan) == [
        CertificatePlan(hostname="shop.example.com", port=443, warning_thresholds=(10, 7, 3, 1)),
        CertificatePlan(hostname="api.example.com", port=443, warning_thresholds=(2, 1)),
        CertificatePlan(hostname="mail.example.com", port=993, warning_thresholds=(30, 14, 7, 3, 1)),
    ]


def test_read_heartbeats(plan: Plan) -> None:
    """Endpoints whose results are pushed become heartbeats where they have an interval."""
    call = "the job has to call the new address, and its `/fail` where it pushed `success=false`"
    assert items(plan, HeartbeatPlan) == [HeartbeatPlan(name="nightly/backup", interval=86_400, grace=0, remarks=(call,))]


def test_read_channels(plan: Plan) -> None:
    """Providers become channels under their names."""
    smtp = "the mail server is set for all mail by LUMETRY_SMTP_HOST and the variables beside it"
    assert items(plan, ChannelPlan) == [
        ChannelPlan(name="Gatus slack", type="slack", url="https://hooks.slack.com/services/T000/B000/s3cr3t-slack"),
        ChannelPlan(
            name="Gatus pagerduty", type="pagerduty", secret="s3cr3t-routing-key", remarks=("what it overrides for groups is left out",)
        ),
        ChannelPlan(name="Gatus ntfy", type="ntfy", url="https://ntfy.sh/s3cr3t-topic", secret="tk_s3cr3t", priority=4),
        ChannelPlan(name="Gatus telegram", type="telegram", secret="123:s3cr3t", chat_id="-100200"),
        ChannelPlan(name="Gatus email", type="email", url="ops@example.com,night@example.com", remarks=(smtp,)),
    ]


def test_read_what_is_left(plan: Plan) -> None:
    """Everything without counterpart is listed with the reason, and variables that are not set by name."""
    assert plan.left == [
        Left("Gatus custom (alerting)", "it refers to a variable that is not set"),
        Left("Gatus matrix (alerting)", "there is no channel of this type; `webhook` tells any receiver"),
        Left("router (icmp)", "ICMP pings are not sent; a check of an open TCP port tells the same"),
        Left("names (dns)", "DNS records are not queried"),
        Left("off (https)", "it is disabled, and monitors that are imported watch at once"),
        Left("secret (https)", "its address is not one that is checked"),
        Left("nothing (https)", "the status codes of its conditions cannot be expressed"),
        Left("deploy (external)", "it has no `heartbeat.interval`, so nobody knows when a result is missing"),
    ]
    assert plan.remarks == [
        "Variables that are not set here: HOOK_TOKEN, UNKNOWN_HOST. What refers to them is left out; set them and import again."
    ]


@pytest.mark.parametrize(
    ("conditions", "statuses"),
    [
        ([], "2xx,3xx,4xx,5xx"),
        (["[STATUS] == 200"], "200"),
        (["[STATUS] < 300"], "2xx"),
        (["[STATUS] <= 299"], "2xx"),
        (["[STATUS] >= 200", "[STATUS] < 500"], "2xx,3xx,4xx"),
        (["[STATUS] != 500"], None),
        (["[STATUS] == any(200, 201, 404)"], "200,201,404"),
        (["[STATUS] == 200", "[STATUS] == 201"], ""),
        (["[STATUS]==204"], "204"),
    ],
)
def test_read_statuses(conditions: list[str], statuses: str | None) -> None:
    """Conditions on the status leave those that all of them allow."""
    assert spell_statuses(read_conditions(conditions).statuses) == statuses


@pytest.mark.parametrize("condition", ["[STATUS] == pat(2*)", "[BODY] == x", "[IP] == 1.2.3.4", "x", "[CERTIFICATE_EXPIRATION] < 48h", ""])
def test_read_lost_conditions(condition: str) -> None:
    """What cannot be expressed is lost, and said so."""
    assert read_conditions([condition]).lost == [condition]


@pytest.mark.parametrize("content", [b"", b"- a", b"a: b", b"a: [", b"\xff", b"endpoints: {}", b"!!python/object/apply:os.system [ls]"])
def test_read_something_else(content: bytes) -> None:
    """What is no configuration is refused with a sentence for people."""
    with pytest.raises(ExportError):
        read_configuration(content, {})
