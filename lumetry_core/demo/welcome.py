"""What a newcomer reads first."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running demo is found."""

    http: str
    grpc: str
    data_dir: Path
    password_file: Path | None
    """None: the operator chose the password."""
    token: str
    token_file: Path


def welcome(place: Place, rule_names: list[str]) -> str:
    """Where to look, and how to make an alert by hand."""
    url = f"http://{place.http}"
    password = f"cat {place.password_file}" if place.password_file else "the one in LUMETRY_ADMIN_PASSWORD"
    return f"""
Lumetry runs. Press Ctrl-C to stop; everything is kept in {place.data_dir}.

  Web and REST   {url}   (API description: {url}/openapi.json, health: {url}/readyz)
  gRPC           {place.grpc}
  User           admin, password: {password}
  API token      {place.token}   (also in {place.token_file})

A collector measures this host every few seconds. Rules: {", ".join(rule_names)}.

Look around (paste this first):
  export URL={url} TOKEN={place.token}
  curl -s -H "Authorization: Bearer $TOKEN" "$URL/api/metrics?q=host"
  curl -s -H "Authorization: Bearer $TOKEN" "$URL/api/metrics/host.cpu.percent/series"

Make an alert: either start again with --spike, which keeps all cores busy for a minute, or pretend to be a host:
  push() {{ curl -s "$URL/v1/metrics" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d "$1"; }}
  for i in 1 2 3; do
    push '{{"metrics": [{{"metricName": "host.cpu.percent", "value": 99, "timestamp": "'$(date -u +%FT%TZ)'",
      "labels": {{"host.id": "web-1"}}}}]}}'; sleep 1
  done

See what became of it:
  curl -s -H "Authorization: Bearer $TOKEN" "$URL/api/violations?limit=5"
  curl -s -H "Authorization: Bearer $TOKEN" "$URL/api/alerts?limit=5"
  curl -s -H "Authorization: Bearer $TOKEN" "$URL/api/incidents?limit=5"
"""
