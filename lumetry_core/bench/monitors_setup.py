"""Creates what `lumetry bench monitors` watches."""

from collections.abc import Iterator

from lumetry_core.bench.connection import Connection
from lumetry_core.bench.monitors_targets import TlsServer
from lumetry_core.bench.receiver import Receiver

HEARTBEAT_SECONDS = 3600


def create_endpoints(connection: Connection, target: Receiver, count: int, interval_seconds: int) -> None:
    """Standalone HTTP checks, each of a path of its own.

    Raises:
        BenchError: One was refused.
    """
    for number in range(count):
        body = {"name": f"bench {number:05d}", "target": target.url(f"{number:05d}"), "interval": interval_seconds}
        connection.request("POST", "/api/v1/endpoints", body).json(201)


def create_heartbeats(connection: Connection, count: int, first: int = 0) -> list[str]:
    """Heartbeats that nothing is missed of; answers their UUIDs.

    Raises:
        BenchError: One was refused.
    """
    uuids = []
    for number in range(first, first + count):
        body = {"name": f"bench {number:05d}", "interval_seconds": HEARTBEAT_SECONDS, "grace_seconds": 60}
        uuids.append(connection.request("POST", "/api/v1/heartbeats", body).json(201)["uuid"])
    return uuids


def create_certificates(connection: Connection, server: TlsServer, count: int) -> None:
    """Certificate monitors, each of an address of this host.

    Raises:
        BenchError: One was refused.
    """
    for (host, port), _ in zip(addresses(server), range(count), strict=False):
        connection.request("POST", "/api/v1/certificates", {"hostname": host, "port": port}).json(201)


def addresses(server: TlsServer) -> Iterator[tuple[str, int]]:
    """The addresses at which the certificate is shown."""
    for port in server.ports:
        for host in server.hosts:
            yield host, port
