"""Jobs that report with the real `curl`, from a real `cron` and by its very line, to a whole deployment."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.process.conftest import Deployment, wait_until

CRON = shutil.which("cron") or shutil.which("crond")
SPOOL = Path("/var/spool/cron/crontabs")


def require(program: str | None, name: str) -> None:
    """Skips without a program, except in CI, where that is a failure."""
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed, and CI must test with it")
        pytest.skip(f"{name} is not installed")


def curl(*arguments: str) -> tuple[int, str]:
    """What curl is answered: the status and the body."""
    require(shutil.which("curl"), "curl")
    done = subprocess.run(["curl", "-sS", "-m", "20", "-w", "\n%{http_code}", *arguments], check=True, capture_output=True, text=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def create(deployment: Deployment, **body: Any) -> tuple[int, str]:
    """A heartbeat: its number and where it is pinged."""
    status, made = deployment.request("POST", "/api/v1/heartbeats", {"name": "backup", "interval_seconds": 60, **body})
    assert status == 201, made
    return made["id"], f"http://{deployment.addresses['http']}/ping/{made['uuid']}"


def read(deployment: Deployment, path: str) -> Any:
    status, answer = deployment.request("GET", path)
    assert status == 200, answer
    return answer


def test_curl_pings(deployment: Deployment, tmp_path: Path) -> None:
    """GET, POST and HEAD by curl are stored alike; bodies of any size and type are kept from their beginning on, without secrets."""
    number, url = create(deployment)
    assert curl(f"{url}?from=cron") == (200, '{"ok":true}')
    assert curl("-I", f"{url}/start")[0] == 200
    large = tmp_path / "output"
    large.write_bytes(b"token=0123456789abcdef0123 \xff" + b"x" * 3_000_000)
    assert curl("--data-binary", f"@{large}", "-H", "Content-Type: application/x-odd", f"{url}/3/") == (
        200,
        '{"ok":true,"exit_code":3}',
    )
    assert curl("-X", "POST", f"{url}/log", "-H", "Expect: 100-continue", "-d", "a note") == (200, '{"ok":true}')
    assert curl(f"{url}/fail") == (200, '{"ok":true}')
    assert curl(f"{url}/256")[0] == curl(f"{url}/nonsense")[0] == 400
    assert curl(f"http://{deployment.addresses['http']}/ping/nobody")[0] == 404
    pings = read(deployment, f"/api/v1/heartbeats/{number}/pings")["pings"]
    assert [(ping["ping_type"], ping["exit_code"], ping["http_method"], ping["source_ip"]) for ping in pings] == [
        ("fail", None, "GET", "127.0.0.1"),
        ("log", None, "POST", "127.0.0.1"),
        ("exit_code", 3, "POST", "127.0.0.1"),
        ("start", None, "HEAD", "127.0.0.1"),
        ("success", None, "GET", "127.0.0.1"),
    ]
    assert pings[1]["payload"] == "a note"
    assert "0123456789abcdef0123" not in pings[2]["payload"]
    assert pings[2]["payload"].startswith("token=[REDACTED:password] \ufffdxxx")
    assert 10_000 < len(pings[2]["payload"]) <= 10_240
    outcomes = [run["outcome"] for run in read(deployment, f"/api/v1/heartbeats/{number}/executions")["executions"]]
    assert outcomes == ["failure", "failure", "success"]
    [alert] = read(deployment, "/api/v1/alerts/active")["critical"]
    assert (alert["alert_type"], alert["entity_id"]) == ("exit_code_failure", number)
    assert curl(url)[0] == 200
    assert read(deployment, "/api/v1/alerts/active") == {"critical": [], "warning": [], "info": []}


def test_curl_pings_all_stored(deployment: Deployment) -> None:
    """Many jobs that ping in the same moment are all answered and all there."""
    made = [create(deployment, name=f"job {number}") for number in range(20)]
    require(shutil.which("curl"), "curl")
    command = ["curl", "-sS", "-m", "30", "--parallel", "--parallel-max", "50", "--no-progress-meter"]
    done = subprocess.run([*command, *[url for _, url in made for _ in range(10)]], check=True, capture_output=True, text=True)
    assert done.stdout == '{"ok":true}' * 200
    assert [read(deployment, f"/api/v1/heartbeats/{number}/pings")["total"] for number, _ in made] == [10] * 20


def test_missed_deadline_across_kill(deployment: Deployment) -> None:
    """A core that is killed keeps its deadlines: the silence of a job opens one alert and an incident, seen by both families."""
    number, url = create(deployment, interval_seconds=60)
    assert curl(f"{url}/start")[0] == 200
    os.kill(deployment.children()["core"], signal.SIGKILL)
    late = time.monotonic() + 60
    wait_until(lambda: deployment.request("GET", "/api/v1/health")[0] == 200, 30, deployment.describe)
    started = read(deployment, f"/api/v1/heartbeats/{number}")["heartbeat"]
    assert (started["status"], started["alert_state"]) == ("started", "normal")

    def find() -> Any:
        return read(deployment, "/api/alerts")

    [alert] = wait_until(find, 100, deployment.describe)
    assert time.monotonic() > late - 5
    assert (alert["alertName"], alert["severity"], alert["sourceKind"]) == ("Heartbeat missed: backup", "Critical", "Monitor")
    assert alert["monitor"] == {"kind": "UptimeMonitor", "id": str(number), "name": "backup"}
    incident = wait_until(lambda: read(deployment, "/api/incidents"), 20, deployment.describe)
    assert len(incident["items"] if isinstance(incident, dict) else incident) == 1
    down = read(deployment, f"/api/v1/heartbeats/{number}")["heartbeat"]
    assert (down["status"], down["alert_state"], down["consecutive_failures"]) == ("down", "alerting", 1)
    assert read(deployment, f"/api/v1/heartbeats/{number}/executions")["executions"][0]["outcome"] == "timeout"
    assert curl(url)[0] == 200
    wait_until(lambda: find()[0]["status"] == "Closed" if find() else True, 10, deployment.describe)


@pytest.fixture
def crontab() -> Iterator[Path]:
    """A real cron with the table of nobody but this test, given back afterwards."""
    require(CRON, "cron")
    if os.geteuid() != 0 or (SPOOL / "root").exists():
        pytest.skip("this host's own table of root is not touched")
    SPOOL.mkdir(parents=True, exist_ok=True)
    table = SPOOL / "root"
    yield table
    table.unlink(missing_ok=True)


def test_cron_job(deployment: Deployment, crontab: Path) -> None:
    """A line of a real cron table pings every minute."""
    number, url = create(deployment)
    crontab.write_text(f"* * * * * curl -fsS -m 10 --retry 5 -o /dev/null {url}/$(true; echo $?)\n")
    crontab.chmod(0o600)
    os.chown(crontab, 0, pwd.getpwnam("root").pw_gid)
    daemon = subprocess.Popen([str(CRON), "-f"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        [ping] = wait_until(lambda: read(deployment, f"/api/v1/heartbeats/{number}/pings")["pings"], 90, deployment.describe)
    finally:
        daemon.terminate()
        daemon.wait(10)
    assert (ping["ping_type"], ping["exit_code"], ping["http_method"]) == ("exit_code", 0, "GET")
    assert read(deployment, f"/api/v1/heartbeats/{number}")["heartbeat"]["status"] == "up"


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("sh -c 'exit 7'", 7)])
def test_cron_line(deployment: Deployment, command: str, code: int) -> None:
    """The line of a cron table, run by a shell with next to no environment as cron runs it, tells how the job ended."""
    number, url = create(deployment)
    line = f"{command}; curl -fsS -m 10 --retry 5 -o /dev/null {url}/$?"
    require(shutil.which("curl"), "curl")
    subprocess.run(["/bin/sh", "-c", line], check=True, env={"PATH": "/usr/bin:/bin", "HOME": "/", "SHELL": "/bin/sh"}, cwd="/")
    heartbeat = read(deployment, f"/api/v1/heartbeats/{number}")["heartbeat"]
    assert (heartbeat["status"], heartbeat["last_exit_code"]) == ("up", code)


def test_snippets_work(deployment: Deployment) -> None:
    """The texts to paste really ping this deployment."""
    number, _ = create(deployment)
    snippets = read(deployment, f"/api/v1/heartbeats/{number}")["snippets"]
    assert sorted(snippets) == ["bash", "curl", "docker_healthcheck", "go", "python", "wget"]
    require(shutil.which("curl"), "curl")
    subprocess.run(["/bin/sh", "-c", snippets["curl"]], check=True)
    subprocess.run(["/bin/bash", "-c", snippets["bash"].replace("your-command", "(exit 4)")], check=True)
    subprocess.run(["python3", "-c", snippets["python"]], check=True)
    kinds = [ping["ping_type"] for ping in read(deployment, f"/api/v1/heartbeats/{number}/pings")["pings"]]
    assert kinds == ["success", "exit_code", "start", "success"]
