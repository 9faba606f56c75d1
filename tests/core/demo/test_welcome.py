import json
import re
import subprocess
from pathlib import Path

from lumetry_core.demo.welcome import Place, welcome

PLACE = Place(
    http="127.0.0.1:8080",
    grpc="127.0.0.1:50051",
    data_dir=Path("lumetry-data"),
    password_file=Path("lumetry-data/admin-password"),
    token="lmt_secret",
    token_file=Path("lumetry-data/demo-token"),
)


def test_welcome_tells_where_everything_is() -> None:
    """Addresses, the password's file, the token and the rules are there to be copied."""
    text = welcome(PLACE, ["High CPU", "High load"])
    for part in (
        "http://127.0.0.1:8080 ",
        "127.0.0.1:50051",
        "cat lumetry-data/admin-password",
        "lmt_secret",
        "High CPU, High load",
        "--spike",
    ):
        assert part in text


def test_welcome_commands_push_points_when_pasted(tmp_path: Path) -> None:
    """The commands are valid shell, and what they send is a valid batch."""
    _, _, commands = welcome(PLACE, []).partition("(paste this first):")
    script = "\n".join(line for line in commands.splitlines() if line.startswith("  "))
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nfor part in "$@"; do printf "%s\\0" "$part"; done\nprintf "\\n\\0"\n')
    curl.chmod(0o755)
    (tmp_path / "sleep").write_text("#!/bin/sh\n")
    (tmp_path / "sleep").chmod(0o755)
    done = subprocess.run(["sh", "-euc", script], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    calls = [call.split("\0")[:-1] for call in done.stdout.split("\n\0")[:-1]]
    assert [call[-1] for call in calls[:2]] == [
        "http://127.0.0.1:8080/api/metrics?q=host",
        "http://127.0.0.1:8080/api/metrics/host.cpu.percent/series",
    ]
    pushes = calls[2:5]
    assert {call[1] for call in pushes} == {"http://127.0.0.1:8080/v1/metrics"}
    for call in pushes:
        [point] = json.loads(call[call.index("-d") + 1])["metrics"]
        assert point.keys() == {"metricName", "value", "timestamp", "labels"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", point["timestamp"])
        assert "Authorization: Bearer lmt_secret" in call
    assert len(calls) == 8


def test_welcome_without_a_password_file_names_the_variable() -> None:
    """A password that the operator chose is nowhere written down."""
    text = welcome(Place(PLACE.http, PLACE.grpc, PLACE.data_dir, None, PLACE.token, PLACE.token_file), [])
    assert "LUMETRY_ADMIN_PASSWORD" in text
    assert "admin-password" not in text
