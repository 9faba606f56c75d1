from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from lumetry_core.notifications.event_bodies import write_test
from lumetry_core.notifications.signing import make_secret, read_key, sign_body, signed_headers

DELIVERY = "7b0c3c52-5f0e-4f57-9d0e-0a6f0f7b3d11"
MOMENT = datetime.fromtimestamp(1769437800, UTC)
ENCODED = "whsec_bHVtZXRyeS1leGFtcGxlLXNlY3JldC0yNGI="
PLAIN = "plain-secret"
BODY = write_test("2026-01-26T14:30:00Z")


def test_sign_as_the_contract_documents() -> None:
    """The body and both vectors of contract monitoring 12.4."""
    assert BODY == b'{"type":"test","timestamp":"2026-01-26T14:30:00Z","data":{"message":"Test delivery from Lumetry"}}'
    assert len(BODY) == 98
    assert signed_headers([ENCODED], "test", DELIVERY, MOMENT, BODY) == {
        "X-Lumetry-Event": "test",
        "X-Lumetry-Delivery": DELIVERY,
        "X-Lumetry-Signature": "sha256=f31bbf8ee8f4412724a5763c5d1d4bb929e0bc2609715313037dd47c762fb51c",
        "webhook-id": DELIVERY,
        "webhook-timestamp": "1769437800",
        "webhook-signature": "v1,zwmOZOeLwv9m3tM+qe+jnaQhOq7puyS/QAPk2+wjGUE=",
    }
    plain = signed_headers([PLAIN], "test", DELIVERY, MOMENT, BODY)
    assert plain["X-Lumetry-Signature"] == "sha256=6760f56d44283a90b19881c58be04ba76c12cb96a32d616eefd2a345c7ede15a"
    assert plain["webhook-signature"] == "v1,fU30sS6vbErW0Anq+Vu/mhopTsVVkd9yDnsQypr+7yk="


def test_sign_with_two_secrets_during_a_rotation() -> None:
    """Both sign the standard's header, only the new one Lumetry's own."""
    both = signed_headers([ENCODED, PLAIN], "test", DELIVERY, MOMENT, BODY)
    assert both["X-Lumetry-Signature"] == sign_body(ENCODED, BODY)
    assert both["webhook-signature"] == ("v1,zwmOZOeLwv9m3tM+qe+jnaQhOq7puyS/QAPk2+wjGUE= v1,fU30sS6vbErW0Anq+Vu/mhopTsVVkd9yDnsQypr+7yk=")


@pytest.mark.parametrize("offset", [0, 1])
def test_sign_so_that_the_library_of_the_standard_verifies(offset: int) -> None:
    """A made secret, alone and as the second of a rotation."""
    secret = make_secret()
    valid = [secret] if not offset else [make_secret(), secret]
    now = datetime.now(UTC)
    assert Webhook(secret).verify(BODY, signed_headers(valid, "test", DELIVERY, now, BODY))["type"] == "test"


def test_key_of_a_secret_whose_rest_encodes_nothing() -> None:
    """It is taken as it is written."""
    assert read_key("whsec_!!") == b"whsec_!!"
