"""A topology for storms: services that share nothing, each with an application, its components and the hosts they run on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NODES_PER_SERVICE = 10
COMPONENTS = 3
HOSTS = NODES_PER_SERVICE - 2 - COMPONENTS


@dataclass(frozen=True, slots=True)
class Topology:
    """As many services as fill the wanted number of nodes."""

    services: int

    def nodes(self) -> list[dict[str, Any]]:
        """All nodes as `POST /v1/topology` takes them."""
        return [
            {"externalId": external_id, "nodeType": node_type, "displayName": external_id, "environment": "bench"}
            for service in range(self.services)
            for external_id, node_type in self._nodes_of(service)
        ]

    def edges(self) -> list[dict[str, Any]]:
        """All edges: from each service down to its hosts, none between services."""
        return [
            {"sourceExternalId": source, "targetExternalId": target, "edgeType": edge_type}
            for service in range(self.services)
            for source, edge_type, target in edges_of(service)
        ]

    def hosts(self) -> list[str]:
        """The external ids of all hosts, which points carry as `host.id`; neighbours belong to different services."""
        return [host_id(service, host) for host in range(HOSTS) for service in range(self.services)]

    def _nodes_of(self, service: int) -> Iterator[tuple[str, str]]:
        yield service_id(service), "BusinessService"
        yield application_id(service), "Application"
        for component in range(COMPONENTS):
            yield component_id(service, component), "Component"
        for host in range(HOSTS):
            yield host_id(service, host), "Host"


def edges_of(service: int) -> Iterator[tuple[str, str, str]]:
    """A service's edges: components depend on the next one, and every host runs one component."""
    yield service_id(service), "contains", application_id(service)
    for component in range(COMPONENTS):
        yield application_id(service), "contains", component_id(service, component)
    for component in range(COMPONENTS - 1):
        yield component_id(service, component), "depends_on", component_id(service, component + 1)
    for host in range(HOSTS):
        yield component_id(service, host % COMPONENTS), "runs_on", host_id(service, host)


def service_id(service: int) -> str:
    """The external id of a service."""
    return f"bench:service-{service:04d}"


def application_id(service: int) -> str:
    """The external id of its application."""
    return f"bench:application-{service:04d}"


def component_id(service: int, component: int) -> str:
    """The external id of one of its components."""
    return f"bench:component-{service:04d}-{component}"


def host_id(service: int, host: int) -> str:
    """The external id of one of its hosts."""
    return f"bench:host-{service:04d}-{host}"


@dataclass(frozen=True, slots=True)
class StormSeries:
    """A series that breaches in a storm: one metric of one host."""

    metric_key: str
    host: str


def storm_series(topology: Topology, count: int) -> list[StormSeries]:
    """So many series, a metric of all hosts after another; a metric has as many members as there are hosts."""
    hosts = topology.hosts()
    return [StormSeries(f"bench_storm_{number // len(hosts):03d}", hosts[number % len(hosts)]) for number in range(count)]
