"""What the command line says of an agent."""

from dataclasses import dataclass
from pathlib import Path

from lumetry_core.collectors.agent.address import AddressError, Target, parse_target
from lumetry_core.collectors.agent.hostagent.settings import AgentSettings
from lumetry_core.collectors.agent.settings import Settings
from lumetry_core.collectors.agent.state import Credential, Mode, read_json
from lumetry_core.collectors.agent.wanted import DEFAULT_BUFFER_BYTES

TOKEN_PREFIX = "lmtae_"  # noqa: S105 -- what enrollment tokens of agents begin with


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """The options that only an agent has."""

    agent: bool = False
    """Whether agent mode is asked for."""
    collector_url: str | None = None
    cluster: str | None = None
    cluster_id: str | None = None


def is_agent(options: AgentOptions, enrollment_token: str | None, state_folder: Path) -> bool:
    """Whether the process is to run as an agent: because it is told to, by its token, or because it enrolled as one."""
    if options.agent or (enrollment_token or "").startswith(TOKEN_PREFIX):
        return True
    known = read_json(state_folder / "credential.json", Credential)
    return known is not None and known.mode is Mode.AGENT


def read_settings(settings: Settings, options: AgentOptions) -> AgentSettings:
    """The settings of an agent from those that it shares with a collector, and its own.

    Raises:
        AddressError: The collector's address is none.
        ValueError: The options contradict each other; the message is for people.
    """
    if settings.interval_seconds is not None:
        raise ValueError("--interval: an agent samples as its rule packs say")
    if options.cluster and options.cluster_id:
        raise ValueError("give --cluster or --cluster-id, not both")
    return AgentSettings(
        target=settings.target,
        collector=read_collector(options.collector_url),
        enrollment_token=settings.enrollment_token,
        state_folder=settings.state_folder,
        cluster=options.cluster or "",
        cluster_id=options.cluster_id or "",
        buffer_bytes=settings.buffer_bytes or DEFAULT_BUFFER_BYTES,
        host_id=settings.host_id,
        hostname=settings.hostname,
    )


def read_collector(url: str | None) -> Target | None:
    """Where the collector is."""
    if not url:
        return None
    try:
        return parse_target(url)
    except AddressError as error:
        raise AddressError(f"--collector-url: {error}") from error
