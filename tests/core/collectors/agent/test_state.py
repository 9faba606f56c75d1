import stat
from pathlib import Path

import pytest

from lumetry_core.collectors.agent.state import Credential, State, StateError

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
