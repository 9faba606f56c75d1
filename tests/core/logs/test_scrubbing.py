import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumetry_core.logs import scrubbing
from lumetry_core.logs.model import Draft, ErrorDraft
from lumetry_core.logs.scrubbing import gather, scrub_entries
from lumetry_core.logs.secret_rules import HIDDEN_KEYS, RULES, Options, scrub_text
from lumetry_core.logs.suspicion import find_suspects
from tests.core.logs.building import make_entry

HEX = "0123456789abcdef" * 4
WORD = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
BOTH = Options(emails=True, national_ids=True)
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA PRIVATE KEY-----"
JWT = f"eyJ{WORD}.eyJ{WORD}.{WORD}"

SECRETS = [
    ("private_key", f"a {KEY} b", "a [] b"),
    ("private_key", "a -----BEGIN PRIVATE KEY-----\nMIIEow", "a []"),
    ("url_password", "postgres://app:s3cr/t", None),
    ("url_password", "postgres://app:s3c@ret@db/x?y=1", "postgres://app:[]@db/x?y=1"),
    ("url_password", "redis://:s3cret@cache:6379", "redis://:[]@cache:6379"),
    ("url_password", '{"u":"http://h:8080","m":"a@b"}', None),
    ("auth", "authorization: Bearer  abcdef-._~+/=0123456789", "authorization: Bearer  []"),
    ("auth", "Basic dXNlcjpwYXNzd29yZA==", "Basic []"),
    ("auth", "token abcdefghijklmno", None),
    ("auth", "the bearer of abcdefghijklmnopqrst", None),
    ("jwt", f"x {JWT} y", "x [] y"),
    ("jwt", f"eyJ{WORD}.{WORD}.{WORD}", None),
    ("aws_key", "id AKIAABCDEFGHIJKLMNOP.", "id []."),
    ("aws_key", "AKIAABCDEFGHIJKLMNO1", None),
    ("github_token", f"ghp_{WORD}", "[]"),
    ("github_token", f"ghs_{WORD}", "[]"),
    ("github_token", "ghp_short", None),
    ("github_token", "github_pat_" + WORD[:22], "[]"),
    ("gitlab_token", "glpat-" + WORD[:20], "[]"),
    ("gitlab_token", "glpat-" + WORD[:19], None),
    ("slack_token", "xoxb-1234567890-abc", "[]"),
    ("slack_token", "xoxz-1234567890-abc", None),
    ("slack_token", "https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/services/[]"),
    ("stripe_key", "sk_live_" + WORD[:16], "[]"),
    ("stripe_key", "pk_test_" + WORD[:16], "[]"),
    ("stripe_key", "sk_beta_" + WORD[:16], None),
    ("google_key", "AIza" + WORD[:35], "[]"),
    ("google_key", "AIza" + WORD[:34], None),
    ("ai_key", "sk-" + WORD[:20], "[]"),
    ("ai_key", "risk-assessment-for-customers", None),
    ("sendgrid_key", f"SG.{WORD[:16]}.{WORD[:16]}", "[]"),
    ("sendgrid_key", f"SG.{WORD[:16]}.short", None),
    ("twilio_key", "SK" + HEX[:32], "[]"),
    ("twilio_key", "SK" + HEX[:31], None),
    ("npm_token", "npm_" + WORD, "[]"),
    ("npm_token", "npm_install", None),
    ("pypi_token", "pypi-" + WORD + WORD, "[]"),
    ("pypi_token", "pypi-" + WORD, None),
    ("lumetry_key", "ll_" + HEX[:48], "[]"),
    ("lumetry_key", "ll_" + HEX[:47], None),
    ("lumetry_key", "alm_test_" + HEX[:48], "[]"),
    ("lumetry_key", "lmts_" + WORD[:16], "[]"),
    ("lumetry_key", "whsec_" + WORD[:16], "[]"),
    ("password", "password=hunter2, next", "password=[], next"),
    ("password", "PASSWD: 'two words' x", "PASSWD: [] x"),
    ("password", 'pwd = "a \\" b" x', "pwd = [] x"),
    ("password", "db_password=a&b=c", "db_password=[]&b=c"),
    ("password", '{"user":"x","password":"a\\"b","k":1}', '{"user":"x","password":[],"k":1}'),
    ("password", r"{\"password\":\"abc\",\"k\":1}", r"{\"password\":[],\"k\":1}"),
    ("password", "api-key: abc;api_key=abc;apikey=abc;access_key=abc", "api-key: [];api_key=[];apikey=[];access_key=[]"),
    ("password", "client_secret=abc", "client_secret=[]"),
    ("password", "passphrase=abc token:abc", "passphrase=[] token:[]"),
    ("password", "the password is wrong", None),
    ("password", "5 tokens: a, b", None),
    ("card", "card 4111 1111 1111 1111 2026-01-26", "card [] 2026-01-26"),
    ("card", "4111-1111-1111-1111", "[]"),
    ("card", "5555555555554444", "[]"),
    ("card", "2223003122003222x", None),
    ("card", "x4111111111111111", None),
    ("card", "4111111111111112", None),
    ("card", "0.4111111111111111", None),
    ("card", "17694378000000000", None),
    ("card", "41111111111111114111111111111111", None),
    ("email", "to ann.b+c@mail.example.org.", "to []."),
    ("email", "ann@host", None),
    ("national_id", "ssn 123-45-6789", "ssn []"),
    ("national_id", "1123-45-6789", None),
    ("national_id", "to DE89 3704 0044 0532 0130 00 EUR", "to [] EUR"),
    ("national_id", "DE89370400440532013000 DE89370400440532013000X", "[] DE89370400440532013000X"),
    ("national_id", "NO 12 DE89370400440532013000 GB29NWBK60161331926819 PAID", "NO 12 [] [] PAID"),
    ("national_id", "GB82WEST12345698765432", "[]"),
    ("national_id", "GB83WEST12345698765432", None),
]
"""Kind, text, and the text without the secret, `[]` in its place; None: no secret."""


@pytest.mark.parametrize(("kind", "text", "expected"), SECRETS)
def test_scrub_text(kind: str, text: str, expected: str | None) -> None:
    """Each kind is replaced where its rule says so, and left alone where it does not."""
    counts: dict[str, int] = {}
    found = scrub_text(text, BOTH, counts)
    if expected is None:
        assert (found, counts) == (text, {})
    else:
        assert (found, counts) == (expected.replace("[]", f"[REDACTED:{kind}]"), {kind: expected.count("[]")})


@pytest.mark.parametrize(("kind", "text", "expected"), [secret for secret in SECRETS if secret[2] is not None])
def test_suspect_what_has_a_secret(kind: str, text: str, expected: str) -> None:
    """Whatever a rule that always applies replaces is suspicious, in text and in JSON, at every place."""
    if kind in ("email", "national_id"):
        return
    for padding in range(5):
        for entry in (make_entry("x" * padding + " " + text), make_entry("x" * padding, metadata={"k": text})):
            suspects = find_suspects(*zip(*map(gather, [make_entry("fine"), entry, make_entry("fine")]), strict=True))
            assert suspects == [1]


def test_suspect_nothing_in_ordinary_entries() -> None:
    """What most entries look like is not read a second time."""
    metadata = {
        "user_id": "u-1",
        "request_id": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "latency_ms": 95.81070702353223,
        "path": "/api/v1/orders",
    }
    entry = make_entry("GET /api/v1/orders/576084 completed in 852 ms at 2026-01-26 14:30:00.123", metadata=metadata)
    assert find_suspects(*zip(*map(gather, [entry] * 3), strict=True)) == []


@pytest.mark.parametrize("key", sorted(HIDDEN_KEYS | {"Pass-Word", "X.Api Key", "client_SECRET", "dbPassword", "c_v_v", "my_private.key"}))
def test_scrub_value_under_a_key(key: str) -> None:
    """The whole value goes, whatever it is; the key alone makes an entry suspicious."""
    entry = make_entry(metadata={"a": [{key: {"x": 1}}], key: 5, "none": {key: None}, "flag": {key: True}, "empty": {key: ""}})
    scrub_entries([entry], Options())
    hidden = "[REDACTED:key]"
    assert json.loads(entry.metadata) == {
        "a": [{key: hidden}],
        key: hidden,
        "none": {key: None},
        "flag": {key: True},
        "empty": {key: ""},
    }
    assert entry.redactions == {"key": 2}


def test_scrub_leaves_ordinary_keys() -> None:
    """Names that only resemble hidden ones hide nothing."""
    metadata = {"tokens": 5, "cookies": "yes", "passwordless": "x", "author": "ann", "keys": [1]}
    entry = make_entry(metadata=metadata)
    scrub_entries([entry], Options())
    assert (json.loads(entry.metadata), entry.redactions) == (metadata, None)


def test_scrub_everywhere() -> None:
    """Message, keys and values of metadata, message, every line and context of the error."""
    card, hidden = "4111111111111111", "[REDACTED:card]"
    error = ErrorDraft("T", card, ["a", f"at {card}"], json.dumps({"c": [card], "n": int(card)}).encode(), "f")
    entry = make_entry(card, metadata={card: {"deep": [card]}}, error=error)
    scrub_entries([entry], Options())
    assert (entry.message, json.loads(entry.metadata)) == (hidden, {hidden: {"deep": [hidden]}})
    context = json.dumps({"c": [hidden], "n": hidden}, separators=(",", ":")).encode()
    assert entry.error == ErrorDraft("T", hidden, ["a", f"at {hidden}"], context, "f")
    assert entry.redactions == {"card": 7}


def test_scrub_one_after_another() -> None:
    """The first rule that matches names the replacement, and later ones leave it."""
    entry = make_entry(f"token={JWT} password=Bearer abcdefghijklmnop0 sk_live_{WORD}")
    scrub_entries([entry], Options())
    assert entry.message == "token=[REDACTED:jwt] password=[REDACTED:password] [REDACTED:auth] [REDACTED:stripe_key]"


def test_scrub_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that cannot be scrubbed loses its texts; the others of its batch do not."""

    def fail(text: str, options: Options, counts: Mapping[str, int]) -> str:
        if "bad" in text:
            raise ValueError(text)
        return text

    monkeypatch.setattr(scrubbing, "scrub_text", fail)
    good, bad = make_entry("token=good"), make_entry("token=bad", metadata={"a": 1}, error=ErrorDraft("T", "m", ["s"], b"{}", "f"))
    scrub_entries([good, bad], Options())
    failed = "[REDACTED:failed]"
    assert (good.message, good.redactions) == ("token=good", None)
    assert (bad.message, json.loads(bad.metadata), bad.error) == (failed, {failed: failed}, ErrorDraft(message=failed))
    assert bad.redactions == {"failed": 1}


PIECES = [
    *("eyJ", "password=", '"', "'", "\\", "://", ":", "@", ".", "-", " ", "SG.", "sk-", "lmt", "_", "Bearer "),
    *("-----BEGIN PRIVATE KEY-----", "4", "1 ", "DE89 "),
]


@pytest.mark.parametrize("text", [piece * (200_000 // len(piece)) for piece in [*PIECES, *(a + b for a in PIECES for b in PIECES[:8])]])
def test_scrub_hostile_text(text: str) -> None:
    """Long repetitions of what rules begin with take no longer than their length: quadratic time would be minutes."""
    scrub_text(text, BOTH, {})


@given(st.lists(st.sampled_from([*PIECES, "abc", "0123456789", WORD, HEX, "ll_", "AKIA", "token", ": ", "{", "}"]), max_size=12))
def test_suspect_whatever_changes(pieces: list[str]) -> None:
    """No text that scrubbing changes escapes the first look."""
    text = "".join(pieces)
    counts: dict[str, int] = {}
    scrub_text(text, Options(), counts)
    if counts:
        assert find_suspects([text.encode()], [b""]) == [0]


def test_hints_are_in_every_pattern() -> None:
    """Hints are of three characters, as the first look compares them, and lower-case where case does not count."""
    assert all(len(hint) == 3 and (hint == hint.lower() or not rule.ignores_case) for rule in RULES for hint in rule.hints)


def test_scrub_twice_changes_nothing_more() -> None:
    """What takes the place of a secret is none."""
    for _, text, expected in SECRETS:
        if expected is not None:
            once = scrub_text(text, BOTH, {})
            assert scrub_text(once, BOTH, {}) == once


def test_draft_stays_the_same_object() -> None:
    """Entries without secrets are not touched."""
    entry: Draft = make_entry("fine", metadata={"a": 1})
    before = entry.metadata
    scrub_entries([entry], Options())
    assert entry.metadata is before
