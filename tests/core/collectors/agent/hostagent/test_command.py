"""What makes a process an agent, and how it is told what to do."""

from pathlib import Path

import pytest

from lumetry_core.collectors.agent.address import AddressError, Target
from lumetry_core.collectors.agent.hostagent.command import AgentOptions, is_agent, read_settings
from lumetry_core.collectors.agent.hostagent.settings import AgentSettings
from lumetry_core.collectors.agent.settings import Settings
from lumetry_core.collectors.agent.state import Credential, Mode, State

PRODUCT = Target("product:50051", secure=False)


def settings(folder: Path, **more: object) -> Settings:
    return Settings(**({"target": PRODUCT, "enrollment_token": None, "state_folder": folder} | more))  # type: ignore[arg-type]


def test_is_agent_as_told(tmp_path: Path) -> None:
    """The option says so, or the token; nothing of both means a collector."""
    assert is_agent(AgentOptions(agent=True), None, tmp_path)
    assert is_agent(AgentOptions(), "lmtae_x", tmp_path)
    assert not is_agent(AgentOptions(), "lmte_x", tmp_path)
    assert not is_agent(AgentOptions(), None, tmp_path)


@pytest.mark.parametrize("mode", Mode)
def test_is_agent_as_it_enrolled(tmp_path: Path, mode: Mode) -> None:
    """A state directory says what the installation enrolled as."""
    state = State(tmp_path)
    state.save_credential(Credential("id", "secret", 30, "digest", mode=mode))
    state.close()
    assert is_agent(AgentOptions(), None, tmp_path) is (mode is Mode.AGENT)


def test_read_settings_of_an_agent(tmp_path: Path) -> None:
    """What an agent shares with a collector and what it has of its own come together."""
    options = AgentOptions(collector_url="http://collector:4319", cluster_id="web")
    assert read_settings(settings(tmp_path, host_id="h", buffer_bytes=2_000_000), options) == AgentSettings(
        PRODUCT,
        Target("collector:4319", secure=False, is_http=True),
        None,
        tmp_path,
        cluster_id="web",
        buffer_bytes=2_000_000,
        host_id="h",
    )


def test_refuse_settings_that_contradict(tmp_path: Path) -> None:
    """Options that an agent cannot follow are refused, and an address that is none."""
    with pytest.raises(ValueError, match="give --cluster or --cluster-id, not both"):
        read_settings(settings(tmp_path), AgentOptions(cluster="a", cluster_id="b"))
    with pytest.raises(ValueError, match="--interval: an agent samples as its rule packs say"):
        read_settings(settings(tmp_path, interval_seconds=10.0), AgentOptions())
    with pytest.raises(AddressError, match=r"^--collector-url: ftp://x: unknown scheme ftp"):
        read_settings(settings(tmp_path), AgentOptions(collector_url="ftp://x"))
