"""What a backup of Uptime Kuma comes to."""

import json
from pathlib import Path
from typing import Any

import pytest

from lumetry_core.importing.plan import ChannelPlan, EndpointPlan, ExportError, HeartbeatPlan, Item, Left, Pace, Plan
from lumetry_core.importing.uptime_kuma import read_backup

SAMPLE = Path(__file__).parent / "samples" / "uptime_kuma.json"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_backup(SAMPLE.read_bytes())


def items(plan: Plan, kind: type[Item]) -> list[Any]:
    return [item for item in plan.items if isinstance(item, kind)]


def test_read_endpoints(plan: Plan) -> None:
    """Pages and ports become endpoints; what of them is lost is told."""
    assert plan.origin == "Uptime Kuma 1.23.13"
    assert items(plan, EndpointPlan) == [
        EndpointPlan(
            name="Shop",
            endpoint_type="http",
            target="https://shop.example.com/health?token=s3cr3t",
            pace=Pace(30, 10, 3, 1),
            expected_status="2xx,301,401,402,403",
            headers={"X-Api-Key": "s3cr3t-key", "Accept": "text/html"},
            max_redirects=3,
            remarks=("alerts are not repeated while they last",),
        ),
        EndpointPlan(
            name="Shop front",
            endpoint_type="http",
            target="https://shop.example.com/",
            pace=Pace(60, 48, 2, 1),
            tls_verify=False,
            max_redirects=10,
            remarks=("the answer is not searched for the keyword: its status alone counts",),
        ),
        EndpointPlan(
            name="Stock",
            endpoint_type="http",
            target="https://stock.example.com/api",
            pace=Pace(60, 48, 2, 1),
            method="POST",
            headers={"Authorization": "Basic a3VtYTpzM2NyM3QtcGFzcw=="},
            max_redirects=10,
            remarks=("the answer's JSON is not looked at: its status alone counts", "the request has no body"),
        ),
        EndpointPlan(name="Mail", endpoint_type="tcp", target="mail.example.com:993", pace=Pace(120, 48, 2, 1)),
        EndpointPlan(
            name="Database",
            endpoint_type="tcp",
            target="db.example.com:5433",
            pace=Pace(60, 48, 2, 1),
            remarks=("only whether a connection can be made is checked",),
        ),
        EndpointPlan(
            name="Cache",
            endpoint_type="tcp",
            target="cache.example.com:6379",
            pace=Pace(60, 48, 2, 1),
            remarks=("only whether a connection can be made is checked",),
        ),
        EndpointPlan(
            name="Anything",
            endpoint_type="http",
            target="http://any.example.com:8080/",
            pace=Pace(86_400, 48, 2, 1),
            expected_status="2xx,3xx,4xx",
            max_redirects=10,
            remarks=("the interval in seconds becomes 86400 instead of 100000",),
        ),
    ]


def test_read_heartbeats(plan: Plan) -> None:
    """Push monitors become heartbeats, whose grace is what retries gave."""
    call = "the job has to call the new address"
    assert items(plan, HeartbeatPlan) == [
        HeartbeatPlan(name="Nightly backup", interval=3600, grace=300, remarks=(call,)),
        HeartbeatPlan(name="Fast beat", interval=60, grace=60, remarks=("the interval in seconds becomes 60 instead of 20", call)),
    ]


def test_read_channels(plan: Plan) -> None:
    """Every type that there is keeps its address and secrets."""
    smtp = "the mail server is set for all mail by LUMETRY_SMTP_HOST and the variables beside it"
    assert items(plan, ChannelPlan) == [
        ChannelPlan(
            name="Ops Slack",
            type="slack",
            url="https://hooks.slack.com/services/T000/B000/s3cr3t-slack",
            remarks=("user, channel and icon are those of the webhook",),
        ),
        ChannelPlan(name="On call", type="pagerduty", url="https://events.pagerduty.com/v2/enqueue", secret="s3cr3t-routing-key"),
        ChannelPlan(name="Phone", type="ntfy", url="https://ntfy.sh/s3cr3t-topic", secret="tk_s3cr3t", priority=5),
        ChannelPlan(name="Chat", type="telegram", secret="123:s3cr3t", chat_id="-100200", thread_id=7),
        ChannelPlan(name="Mail", type="email", url="ops@example.com,night@example.com,boss@example.com", remarks=(smtp,)),
        ChannelPlan(
            name="Hook",
            type="webhook",
            url="https://hooks.example.com/kuma/s3cr3t",
            headers={"Authorization": "Bearer s3cr3t"},
            is_enabled=False,
            remarks=("the body is Lumetry's own",),
        ),
        ChannelPlan(name="Server room", type="gotify", url="https://gotify.example.com", secret="s3cr3t-gotify", priority=8),
        ChannelPlan(name="Guild", type="discord", url="https://discord.com/api/webhooks/1/s3cr3t"),
        ChannelPlan(name="Office", type="teams", url="https://example.webhook.office.com/webhookb2/s3cr3t"),
    ]


def test_read_what_is_left(plan: Plan) -> None:
    """Everything without counterpart is listed with the reason."""
    assert plan.left == [
        Left("House (matrix)", "there is no channel of this type; `webhook` tells any receiver"),
        Left("Broken (slack)", "it has no url"),
        Left("Router (ping)", "ICMP pings are not sent; a check of an open TCP port tells the same"),
        Left("Names (dns)", "DNS records are not queried"),
        Left("nginx (docker)", "containers need no monitor: they are watched by themselves once the container runtime is connected"),
        Left("Web (group)", "groups do not exist; its members are imported by themselves"),
        Left("Old shop (http)", "it is paused, and monitors that are imported watch at once"),
        Left("Must be closed (port)", "it is upside down: that something cannot be reached is not watched for"),
        Left("Game (gamedig)", "there is no monitor of this type"),
        Left("shop", "there is another endpoint of this name in the file"),
        Left("Odd (http)", "its accepted status codes cannot be expressed"),
    ]
    assert plan.remarks == [
        "A channel is told of every alert, not of chosen monitors; routing rules narrow it to sources and severities.",
        "Tags are not carried over.",
    ]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"monitorList": 1}', b"\xff", b"[" * 100_000])
def test_read_something_else(content: bytes) -> None:
    """What is no backup is refused with a sentence for people."""
    with pytest.raises(ExportError, match="should be the backup that Uptime Kuma's settings export"):
        read_backup(content)


def test_read_values_of_any_type() -> None:
    """Odd values are read as far as they make sense, and never end the import."""
    odd = {"name": 5, "type": "http", "url": "http://u:p@h.example/x", "active": 1, "interval": "abc", "headers": "["}
    monitors = [None, {}, {"type": "http", "url": "http://["}, {"type": [], "name": {}}, odd | {"accepted_statuscodes": []}]
    document = {"notificationList": [{"config": "{"}, 7], "monitorList": monitors}
    found = read_backup(json.dumps(document).encode())
    assert found.items == [
        EndpointPlan(
            name="5",
            endpoint_type="http",
            target="http://h.example/x",
            pace=Pace(60, 10, 1, 1),
            headers={"Authorization": "Basic dTpw"},
            max_redirects=10,
            remarks=("its headers cannot be read and are left out",),
        )
    ]
    assert [left.title for left in found.left] == [
        "a notification without name (no type)",
        "a monitor without name (no type)",
        "a monitor without name (http)",
        "a monitor without name (no type)",
    ]
