"""The published Python library `luminalog-sdk`, unmodified, against real processes. It never raises: the server tells what arrived."""

import subprocess
import sys
from typing import Any

from tests.process.conftest import Deployment, wait_until

CLIENT = """
import sys
from luminalog import LuminaLog

log = LuminaLog(api_key=sys.argv[1], endpoint=sys.argv[2], environment="checkout", flush_interval=3600, debug=True)
log.info("paid", {"order_id": "o-1", "amount": 99.5})
try:
    {}["missing"]
except KeyError as error:
    log.capture_error(error, {"order_id": "o-2"})
log.panic("over")
for number in range(250):
    log.warn(f"slow {number}")
log.flush()
child = log.child({"request_id": "r-1"})
child.fatal("bad password=hunter2")
child.flush()
child.shutdown()
log.shutdown()
"""


def make_key(deployment: Deployment, **fields: str) -> str:
    """A log key of the default project."""
    login = {"username": "admin", "password": "correct horse battery"}
    status, tokens = deployment.request("POST", "/api/auth/login", login)
    assert status == 200
    status, key = deployment.request("POST", "/v1/log-keys", {"project_id": "default", **fields}, token=tokens["accessToken"])
    assert status == 201, (key, deployment.describe())
    assert key["prefix"] == key["key"][:12]
    return str(key["key"])


def run(deployment: Deployment, key: str) -> str:
    endpoint = f"http://{deployment.addresses['http']}/v1/logs"
    command = (sys.executable, "-c", CLIENT, key, endpoint)
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def search(deployment: Deployment, query: str) -> list[Any]:
    status, answer = deployment.request("GET", f"/v1/logs?limit=1000&order=asc&{query}")
    assert status == 200, answer
    return list(answer["logs"])


def test_luminalog_sdk_delivers(deployment: Deployment) -> None:
    """All that the library sends is found: captured errors, panics, large batches and children; secrets are not."""
    key = make_key(deployment, name="sdk", environment="staging", access="ingest")
    printed = run(deployment, key)
    assert "No debug_user_id" not in printed
    assert "Failed" not in printed
    wait_until(lambda: len(search(deployment, "")) == 256, 10, deployment.describe)
    [announced] = search(deployment, "level=debug&metadata.environment=checkout")[:1]
    assert (announced["message"], announced["environment"], announced["key_environment"]) == (
        "LuminaLog SDK initialized",
        "checkout",
        "staging",
    )
    [paid] = search(deployment, "metadata.order_id=o-1")
    assert (paid["message"], paid["level"], paid["metadata"]) == ("paid", "info", {"order_id": "o-1", "amount": 99.5})
    [captured] = search(deployment, "q=error.type:KeyError")
    assert captured["error"]["stack_trace"][0].startswith('  File "<string>", line 8, in <module>\n')
    assert (captured["error"]["message"], captured["metadata"]) == ("'missing'", {"order_id": "o-2"})
    assert [entry["message"] for entry in search(deployment, "level=panic")] == ["over"]
    assert [entry["message"] for entry in search(deployment, "level=warn")] == [f"slow {number}" for number in range(250)]
    [child] = search(deployment, "level=fatal")
    assert (child["message"], child["metadata"]) == ("bad password=[REDACTED:password]", {"request_id": "r-1"})


GROUPED = """
import sys
from luminalog import LuminaLog

log = LuminaLog(api_key=sys.argv[1], endpoint=sys.argv[2], flush_interval=3600)
{}

def pay(order):
    return {{}}[order]

for order in sys.argv[3:]:
    try:
        pay(order)
    except KeyError as error:
        log.capture_error(error, {{"order_id": order, "trace_id": "t-" + order}})
    log.error(f"Order {{order}} of 2026-06-01T08:00:00Z took {{order}} ms")
log.flush()
log.shutdown()
"""


def test_errors_of_the_library_are_grouped(deployment: Deployment) -> None:
    """The same error, after a release that moved its lines and for other orders, is one group; once resolved it comes back."""
    key = make_key(deployment, name="grouped")
    endpoint = f"http://{deployment.addresses['http']}/v1/logs"

    def run_release(release: str, *orders: str) -> None:
        command = (sys.executable, "-c", GROUPED.format(release), key, endpoint, *orders)
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)

    def list_groups(query: str = "") -> dict[str, Any]:
        status, answer = deployment.request("GET", f"/v1/log-groups?{query}")
        assert status == 200, answer
        return {group["title"]: group for group in answer["groups"]}

    run_release("", "17", "18")
    run_release("import json\n\n\nlimit = 7", "19")
    wait_until(lambda: [group["count"] for group in list_groups().values()] == [3, 3], 20, deployment.describe)
    groups = list_groups()
    captured, told = groups["KeyError: '17'"], groups["Order 17 of 2026-06-01T08:00:00Z took 17 ms"]
    assert (captured["culprit"], captured["trace_ids"], captured["levels"]) == ("<string>:pay", ["t-19", "t-18", "t-17"], {"error": 3})
    status, detail = deployment.request("GET", f"/v1/log-groups/{captured['id']}")
    assert (status, [entry["metadata"]["order_id"] for entry in detail["samples"]]) == (200, ["19", "18", "17"])
    assert sum(bucket["count"] for bucket in detail["histogram"]) == 3
    assert {entry["group_id"] for entry in search(deployment, "trace_id=t-18")} == {captured["id"]}
    assert len(search(deployment, f"group_id={told['id']}")) == 3
    status, resolved = deployment.request("POST", f"/v1/log-groups/{captured['id']}/resolve", {"note": "released"})
    assert (status, resolved["status"]) == (200, "resolved")
    run_release("", "20")
    wait_until(lambda: "KeyError: '17'" in list_groups("regressed=true"), 20, deployment.describe)
    assert list_groups("regressed=true")["KeyError: '17'"]["count"] == 4


def test_luminalog_sdk_with_wrong_key_stores_nothing(deployment: Deployment) -> None:
    """A key that does not exist opens nothing; the library tells of three attempts."""
    endpoint = f"http://{deployment.addresses['http']}/v1/logs"
    client = CLIENT.partition("try:")[0] + "log.flush()\nlog._stop_flush_timer()\nlog._queue.clear()\n"
    command = (sys.executable, "-c", client, "ll_" + "0" * 48, endpoint)
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    assert "Failed to flush logs: Failed to send logs after 3 attempts: 401" in printed
    assert search(deployment, "") == []
