import msgspec
import pytest

from lumetry_core.collectors.agent.keyring import Keyring
from lumetry_core.collectors.agent.state import Credential

OLD = Credential("collector", "lmtc_old", 30, "digest")
BOTH = msgspec.structs.replace(OLD, next_secret="lmtc_fresh")
FRESH = msgspec.structs.replace(OLD, secret="lmtc_fresh")


def test_add_keeps_both_until_the_fresh_one_is_taken() -> None:
    """A call that the old secret still carried says nothing of the fresh one."""
    saved: list[Credential] = []
    keyring = Keyring(OLD, saved.append)
    keyring.add("lmtc_fresh")
    assert (keyring.candidates(), saved) == (("lmtc_fresh", "lmtc_old"), [BOTH])
    keyring.confirm("lmtc_old")
    assert keyring.candidates() == ("lmtc_fresh", "lmtc_old")
    keyring.confirm("lmtc_fresh")
    assert (keyring.candidates(), saved) == (("lmtc_fresh",), [BOTH, FRESH])


def test_refute_drops_a_fresh_secret_that_was_voided() -> None:
    """The old one goes on when the product took it after refusing the fresh one."""
    saved: list[Credential] = []
    keyring = Keyring(BOTH, saved.append)
    keyring.refute({"lmtc_fresh"}, "lmtc_old")
    assert (keyring.candidates(), saved) == (("lmtc_old",), [OLD])


def test_add_without_room_on_the_disk_changes_nothing() -> None:
    """A secret that is not on disk is not used: a crash would lock the collector out."""
    keyring = Keyring(OLD, fail)
    with pytest.raises(OSError, match="No space"):
        keyring.add("lmtc_fresh")
    assert keyring.candidates() == ("lmtc_old",)


def test_confirm_without_room_on_the_disk_goes_on() -> None:
    """Both candidates stay on disk, which harms nothing."""
    keyring = Keyring(BOTH, fail)
    keyring.confirm("lmtc_fresh")
    assert keyring.candidates() == ("lmtc_fresh",)


def fail(_credential: Credential) -> None:
    raise OSError(28, "No space left on device")
