"""What software a host has, told by the executables that run."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

EXECUTABLES: Mapping[str, frozenset[str]] = {
    "apache": frozenset({"apache2", "httpd", "httpd.exe"}),
    "containerd": frozenset({"containerd"}),
    "docker": frozenset({"dockerd"}),
    "haproxy": frozenset({"haproxy"}),
    "iis": frozenset({"w3wp.exe", "inetinfo.exe"}),
    "java": frozenset({"java", "java.exe"}),
    "kafka": frozenset({"kafka"}),
    "memcached": frozenset({"memcached"}),
    "mongodb": frozenset({"mongod", "mongod.exe", "mongos"}),
    "mssql": frozenset({"sqlservr", "sqlservr.exe"}),
    "mysql": frozenset({"mysqld", "mysqld.exe", "mariadbd", "mariadbd.exe"}),
    "nginx": frozenset({"nginx", "nginx.exe"}),
    "node": frozenset({"node", "node.exe"}),
    "php-fpm": frozenset({"php-fpm"}),
    "postgres": frozenset({"postgres", "postgres.exe", "postmaster"}),
    "rabbitmq": frozenset({"beam.smp", "rabbitmq-server"}),
    "redis": frozenset({"redis-server", "valkey-server"}),
}
"""Executables of each software by its name. A rule pack named like one collects the processes of these executables."""

SOFTWARE_OF: Mapping[str, str] = {executable: software for software, of_one in EXECUTABLES.items() for executable in of_one}
VERSIONED = ("php-fpm",)
"""Executables whose name goes on with a version, as `php-fpm8.2`."""


def detect_software(executables: Iterable[str]) -> AbstractSet[str]:
    """The software that the executables belong to."""
    found = set()
    for executable in executables:
        name = executable.lower()
        known = SOFTWARE_OF.get(name) or next((prefix for prefix in VERSIONED if name.startswith(prefix)), None)
        if known is not None:
            found.add(known)
    return found


def list_software(found: AbstractSet[str], limit: int = 64) -> Sequence[str]:
    """As a heartbeat names it."""
    return sorted(found)[:limit]
