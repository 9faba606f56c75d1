import json
from pathlib import Path

import click
import pytest

from lumetry_core.collectors.agent.address import Target
from lumetry_core.shell.place import Place, check_token, find_place


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no configuration elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUMETRY_CONFIG", "")  # so that whatever sets it is taken back after the test
    monkeypatch.delenv("LUMETRY_CONFIG")
    return tmp_path


def write_address(data_dir: Path, address: str) -> None:
    data_dir.mkdir()
    (data_dir / "addresses.json").write_text(json.dumps({"http": "127.0.0.1:1", "grpc": address}))


def test_find_place_takes_what_is_given() -> None:
    """With TLS when the scheme says so."""
    assert find_place("grpcs://core.example:443", None) == Place(Target("core.example:443", secure=True), "--server or LUMETRY_SERVER")


@pytest.mark.parametrize(
    ("written", "reached"),
    [("127.0.0.1:4711", "127.0.0.1:4711"), ("0.0.0.0:4711", "127.0.0.1:4711"), ("[::]:4711", "[::1]:4711"), ("core:4711", "core:4711")],
)
def test_find_place_takes_what_a_server_wrote(folder: Path, written: str, reached: str) -> None:
    """A server that listens on all addresses is reached on loopback."""
    write_address(folder / "data", written)
    expected = Place(Target(reached, secure=False), str(folder / "data" / "addresses.json"))
    assert find_place(None, folder / "data") == expected


def test_find_place_looks_where_the_configuration_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of LUMETRY_CONFIG, else `lumetry.toml` here; what else is in it, right or wrong, does not matter."""
    write_address(folder / "one", "127.0.0.1:1111")
    write_address(folder / "two", "127.0.0.1:2222")
    (folder / "lumetry.toml").write_text('data_dir = "one"\nunknown = 1\n')
    (folder / "other.toml").write_text('data_dir = "two"\n')
    assert find_place(None, None).target.authority == "127.0.0.1:1111"
    monkeypatch.setenv("LUMETRY_CONFIG", str(folder / "other.toml"))
    assert find_place(None, None).target.authority == "127.0.0.1:2222"


def test_find_place_falls_back_to_the_default() -> None:
    """It tells that there is no file, and which."""
    place = find_place(None, None)
    assert str(place) == "127.0.0.1:50051 (the default; there is no lumetry-data/addresses.json)"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"grpc": 7}', '{"grpc": null}'])
def test_find_place_refuses_a_broken_file(folder: Path, text: str) -> None:
    """A file that tells nothing is a mistake to be told of, not a reason to ask elsewhere."""
    (folder / "addresses.json").write_text(text)
    with pytest.raises(click.UsageError):
        find_place(None, folder)


@pytest.mark.parametrize("url", ["http://core:8080", "https://core", "core", "ftp://core:1", "core:port"])
def test_find_place_refuses_what_is_no_address(url: str) -> None:
    """The core is asked over gRPC alone."""
    with pytest.raises(click.UsageError, match="grpc://"):
        find_place(url, None)


@pytest.mark.parametrize("token", [None, "", " \n", "lmt_ü", "lmt_a\nb"])
def test_check_token_refuses_what_cannot_be_one(token: str | None) -> None:
    """The message names the variable; the credential is not repeated."""
    with pytest.raises(click.UsageError, match="LUMETRY_TOKEN") as caught:
        check_token(token)
    assert "lmt_" not in caught.value.message
