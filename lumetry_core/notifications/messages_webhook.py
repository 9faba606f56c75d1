"""Messages as JSON for any receiver, signed (contract lumetry 14.4)."""

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from lumetry_core.notifications.messages import EVENTS, Message
from lumetry_core.notifications.model import Integration, Secrets
from lumetry_core.notifications.news import Place
from lumetry_core.runtime.clock import spell_time
from lumetry_core.runtime.outbound import OutboundRequest

SIGNATURE_HEADER = "X-Lumetry-Signature"


def write_json(document: Mapping[str, object]) -> bytes:
    """A body."""
    return msgspec.json.encode(document)


def post_json(url: str, message: Message, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> OutboundRequest:
    """A request that tells of a transition; its key goes with it whatever the kind of target."""
    common = {"Content-Type": "application/json", "Idempotency-Key": message.key}
    return OutboundRequest("POST", url, {**common, **(headers or {})}, write_json(document))


def sign(secret: str, body: bytes) -> str:
    """The value of the signature header."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def render_webhook(integration: Integration, secrets: Secrets, message: Message) -> OutboundRequest:
    """The request of a Webhook."""
    document = {
        "event": EVENTS[message.transition],
        "alert": message.alert_json,
        "incident": message.incident_json,
        "sentAt": spell_time(message.sent_at),
    }
    body = write_json(document | ({"test": True} if message.is_test else {}))
    given = {name.lower() for name in secrets.headers}
    headers = {} if "content-type" in given else {"Content-Type": "application/json"}
    headers |= {**secrets.headers, "Idempotency-Key": message.key}
    if secrets.secret is not None:
        headers[SIGNATURE_HEADER] = sign(secrets.secret, body)
    return OutboundRequest("POST", integration.endpoint_url or "", headers, body)


def post_bytes(place: Place, body: bytes, headers: Mapping[str, str]) -> OutboundRequest:
    """A request with a body as it is. What the sender has to say wins over a channel's own headers."""
    own = {name.lower() for name in headers}
    kept = {name: value for name, value in place.secrets.headers.items() if name.lower() not in own}
    given = {name.lower() for name in kept} | own
    common = {} if "content-type" in given else {"Content-Type": "application/json"}
    return OutboundRequest("POST", place.url, {**common, **kept, **headers}, body)


def post_news(place: Place, document: Mapping[str, object], headers: Mapping[str, str] | None = None) -> OutboundRequest:
    """A request of a channel with a JSON body."""
    return post_bytes(place, write_json(document), headers or {})
