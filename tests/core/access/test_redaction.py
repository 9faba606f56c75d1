import json
from typing import Any

import pytest

from lumetry_core.access.redaction import MAX_DEPTH, redact, redact_text

HEX = "0123456789abcdef" * 3
SECRET = "lmt_" + HEX
PREFIXES = ("lmt_", "lmtc_", "lmts_", "lmte_", "lmtae_", "lmta_", "ll_", "alm_live_", "alm_test_", "whsec_", "")


@pytest.mark.parametrize(
    ("value", "redacted"),
    [
        ({"name": "db", "password": "x"}, {"name": "db", "password": "•••"}),
        (
            {"passwordHash": "x", "refresh_token": "y", "X-Api-Key": "z", "HMAC Key": "k", "client.SECRET": "s"},
            {"passwordHash": "•••", "refresh_token": "•••", "X-Api-Key": "•••", "HMAC Key": "•••", "client.SECRET": "•••"},
        ),
        ({"clientSecret": {"a": 1}, "credential": ["x"]}, {"clientSecret": "•••", "credential": "•••"}),
        ({"apiTokens": ["x"], "recovery-hashes": ["y"]}, {"apiTokens": "•••", "recovery-hashes": "•••"}),
        ({"hasSecret": True, "token": None, "prefix": "lmt_01234567"}, {"hasSecret": True, "token": None, "prefix": "lmt_01234567"}),
        ({"headers": {"X-Team": "ops"}, "nested": [{"secret": 7}]}, {"headers": {"X-Team": "•••"}, "nested": [{"secret": "•••"}]}),
        ({"requestHeaders": [{"X": "y"}], "Headers": "X: y"}, {"requestHeaders": "•••", "Headers": "•••"}),
        ({"a": [[{"b": {"c": [{"Pass_Word": "x"}]}}]]}, {"a": [[{"b": {"c": [{"Pass_Word": "•••"}]}}]]}),
        ({"name": "X-Api-Key", "value": "x"}, {"name": "X-Api-Key", "value": "•••"}),
        (
            [{"Key": "team", "value": "y"}, {"header": "Cookie", "value": 1}],
            [{"Key": "team", "value": "y"}, {"header": "Cookie", "value": "•••"}],
        ),
        ({"note": f"use {SECRET}, please"}, {"note": "use •••, please"}),
        ({"tokenCount": 3, "maxTokens": 1000, "unit": "percent"}, {"tokenCount": 3, "maxTokens": 1000, "unit": "percent"}),
        ({"metricKey": "cpu", "sourceKey": "zabbix"}, {"metricKey": "cpu", "sourceKey": "zabbix"}),
    ],
)
def test_redact_by_key_and_shape(value: Any, redacted: Any) -> None:
    """Secrets go, what is needed to understand the change stays."""
    assert redact(value) == redacted


@pytest.mark.parametrize("prefix", PREFIXES)
def test_redact_leaves_no_secret_of_the_product(prefix: str) -> None:
    """However innocent the key, however deep, whatever stands around it, in either case: no credential survives."""
    secret = prefix + HEX
    values = {
        "name": secret,
        secret: "as a key",
        "list": [f"a {secret} b", {"x": {"y": [secret.upper()]}}, json.dumps({"n": [secret]}), json.dumps(json.dumps({"n": secret}))],
        "quoted": f'{{"broken": "{secret}',
        "headers": {secret: "v"},
        "address": f"https://example.com/{secret}/x?y={secret}",
        "glued": f"_{secret}_",
    }
    assert HEX not in json.dumps(redact(values)).lower()


@pytest.mark.parametrize("prefix", [prefix for prefix in PREFIXES if prefix])
def test_redact_keeps_what_people_recognise_a_secret_by(prefix: str) -> None:
    """The first twelve characters may be shown."""
    assert redact({"prefix": (prefix + HEX)[:12]}) == {"prefix": (prefix + HEX)[:12]}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer •••"),
        ("authorization=basic dXNlcjpwYXNz", "authorization=basic •••"),
        ("postgresql://ann:hunter2@db/x", "postgresql://ann:•••@db/x"),
        ("https://example.com/?a=1&api_key=abc&b=2", "https://example.com/?a=1&api_key=•••&b=2"),
        ("https://example.com/?metricKey=cpu#token=", "https://example.com/?metricKey=cpu#token="),
        ("The bearer of news", "The bearer of news"),
        ("small_cachehitratiopercentage, basic troubleshooting", "small_cachehitratiopercentage, basic troubleshooting"),
        ("d97e2b99-81bd-43aa-823d-dc5f78cd5429", "d97e2b99-81bd-43aa-823d-dc5f78cd5429"),
        ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("half \ud800 a character", "half � a character"),
    ],
)
def test_redact_text_by_neighbourhood(text: str, redacted: str) -> None:
    """Schemes, addresses and queries show where a secret stands; plain words stay."""
    assert redact_text(text) == redacted


def test_redact_json_within_text() -> None:
    """A text that is JSON is redacted by its keys, each time one occurs; other text that starts alike stays."""
    assert redact({"config": ' {"password": "x", "port": 1}', "note": "[x] {y}", "twice": '{"secret":"x","secret":null}'}) == {
        "config": '{"password":"•••","port":1}',
        "note": "[x] {y}",
        "twice": '{"secret":null}',
    }


def test_redact_masks_what_is_too_deep_to_look_at() -> None:
    """Depth cannot hide a secret, nor end the change that is recorded."""
    deep: Any = {"password": "hunter2"}
    for _ in range(MAX_DEPTH * 20):
        deep = [deep]
    assert json.dumps(redact(deep)) == "[" * MAX_DEPTH + json.dumps("•••") + "]" * MAX_DEPTH
    nested = '{"password":"hunter2"}'
    for _ in range(6):
        nested = json.dumps({"a": nested})
    assert "hunter2" not in redact(nested)
    assert "hunter2" not in json.dumps(redact("[" * 5000 + "]" * 5000))
