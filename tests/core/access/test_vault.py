import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lumetry_core.access.vault import KeyFileError, Vault, VaultError, key_file, make_key, open_vault, read_key

KEY = bytes(range(32))


def test_unseal_gives_back_what_was_sealed() -> None:
    """No two seals of a text are alike, and none shows it."""
    vault = Vault(KEY)
    first, second = vault.seal("p\u00e4ssword", "integration 7"), vault.seal("p\u00e4ssword", "integration 7")
    assert first != second
    assert b"ssword" not in first
    assert [vault.unseal(each, "integration 7") for each in (first, second)] == ["p\u00e4ssword"] * 2


@pytest.mark.parametrize("place", [0, 1, 13, -1])
def test_unseal_refuses_what_was_altered(place: int) -> None:
    """A single bit is enough."""
    vault = Vault(KEY)
    sealed = bytearray(vault.seal("password"))
    sealed[place] ^= 1
    with pytest.raises(VaultError):
        vault.unseal(bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(12)])
def test_unseal_refuses_what_is_cut_off(sealed: bytes) -> None:
    """Whatever a row holds, opening it fails in one way."""
    with pytest.raises(VaultError):
        Vault(KEY).unseal(sealed)


def test_unseal_tells_of_another_key_or_place() -> None:
    """The message says what to look at and shows nothing."""
    sealed = Vault(KEY).seal("password", "integration 7")
    for vault, context in ((Vault(bytes(32)), "integration 7"), (Vault(KEY), "integration 8")):
        with pytest.raises(VaultError) as failure:
            vault.unseal(sealed, context)
        assert str(failure.value) == "The stored secret cannot be opened: it was sealed with another key than the one in the key file."


def test_open_vault_makes_a_key_once(tmp_path: Path) -> None:
    """Its owner alone can read it, and later starts use the same."""
    sealed = open_vault(tmp_path).seal("password")
    file = key_file(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["secret.key"]
    assert open_vault(tmp_path).unseal(sealed) == "password"


def test_open_vault_makes_one_key_for_all_that_start_at_once(tmp_path: Path) -> None:
    """Whoever comes first makes it; nobody sees half of it."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: make_key(key_file(tmp_path)), range(16)))
        keys = set(threads.map(lambda _: read_key(key_file(tmp_path)), range(16)))
    assert (len(keys), [each.name for each in tmp_path.iterdir()]) == (1, ["secret.key"])


def test_open_vault_uses_the_named_file(tmp_path: Path) -> None:
    """Cores that share a database share it; no other one is made."""
    named = tmp_path / "shared.key"
    named.write_text(base64.b64encode(KEY).decode() + "\n")
    assert open_vault(tmp_path / "data", named).unseal(Vault(KEY).seal("password")) == "password"
    assert not (tmp_path / "data").exists()


def test_open_vault_does_not_make_the_named_file(tmp_path: Path) -> None:
    """Each core would make another one."""
    with pytest.raises(KeyFileError) as failure:
        open_vault(tmp_path, tmp_path / "shared.key")
    assert str(failure.value) == f"the secret key file {tmp_path}/shared.key cannot be read: No such file or directory"


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", base64.b64encode(bytes(31)).decode()])
def test_open_vault_refuses_a_file_that_holds_no_key(tmp_path: Path, text: str) -> None:
    """A spoilt key is not replaced by a new one, which would lock everything out."""
    key_file(tmp_path).write_text(text)
    with pytest.raises(KeyFileError) as failure:
        open_vault(tmp_path)
    assert str(failure.value) == f"the secret key file {tmp_path}/secret.key does not hold 32 bytes in Base64"
    assert key_file(tmp_path).read_text() == text


def test_open_vault_tells_where_a_key_cannot_be_made(tmp_path: Path) -> None:
    """The operator learns the file."""
    with pytest.raises(KeyFileError) as failure:
        open_vault(tmp_path / "nowhere")
    assert str(failure.value) == f"the secret key file {tmp_path}/nowhere/secret.key cannot be made: No such file or directory"
