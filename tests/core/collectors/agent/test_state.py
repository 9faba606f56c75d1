import stat
from pathlib import Path

import pytest

from lumetry_core.collectors.agent.state import AppliedConfig, Credential, Mode, State, StateError
from lumetry_core.collectors.agent.timing import Anchor
from lumetry_core.collectors.agent.wanted import Relay, Wanted

CREDENTIAL = Credential("collector", "lmtc_secret", 30, "digest")


def test_state_survives_its_process(tmp_path: Path) -> None:
    """Installation and credential are the same in the next run; only their owner may read them."""
    folder = tmp_path / "state"
    state = State(folder)
    installation_id = state.installation_id
    assert state.load_credential() is None
    state.save_credential(CREDENTIAL)
    state.close()

    again = State(folder)
    assert again.installation_id == installation_id
    assert again.load_credential() == CREDENTIAL
    again.close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "credential.json").stat().st_mode) == 0o600


def test_load_credential_takes_an_unreadable_one_for_none(tmp_path: Path) -> None:
    """A damaged file leads to a new enrollment, not to a crash."""
    state = State(tmp_path)
    (tmp_path / "credential.json").write_bytes(b"{")
    assert state.load_credential() is None
    state.close()


def test_state_belongs_to_one_process(tmp_path: Path) -> None:
    """A second collector on the same directory is refused until the first has ended."""
    first = State(tmp_path)
    with pytest.raises(StateError, match="Another collector uses"):
        State(tmp_path)
    first.close()
    State(tmp_path).close()


def test_state_in_an_unusable_place_says_so(tmp_path: Path) -> None:
    """People learn which directory is wrong, and why."""
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="file cannot be used: "):
        State(tmp_path / "file")


def test_load_credential_reads_files_of_earlier_versions(tmp_path: Path) -> None:
    """What an update finds on disk stays valid: a collector's, with one secret."""
    content = b'{"collector_id":"collector","secret":"lmtc_secret","heartbeat_interval_seconds":30,"token_digest":"digest"}'
    (tmp_path / "credential.json").write_bytes(content)
    state = State(tmp_path)
    assert state.load_credential() == CREDENTIAL
    assert CREDENTIAL.mode is Mode.COLLECTOR
    state.close()


def test_config_and_anchor_survive_their_process(tmp_path: Path) -> None:
    """What was applied last and the clock's anchor are there in the next run; damaged ones count as absent."""
    config = AppliedConfig(4, Wanted(heartbeat_interval_seconds=20, relay=Relay(enabled=True, port=5000)), "collector")
    anchor = Anchor("boot", 1, 2, 3)
    state = State(tmp_path)
    assert (state.load_config(), state.load_anchor()) == (None, None)
    state.save_config(config)
    state.save_anchor(anchor)
    assert (state.load_config(), state.load_anchor()) == (config, anchor)
    (tmp_path / "config.json").write_bytes(b"[]")
    assert state.load_config() is None
    state.close()
