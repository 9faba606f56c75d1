import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from lumetry_core.notifications.mailer import Mailer, MailSettings
from lumetry_core.notifications.model import SendResult

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
MAIL = b"From: lumetry@localhost\r\nTo: a@example.com\r\nSubject: x\r\n\r\nHello\r\n"


@dataclass
class Inbox:
    """What a server took, and what it answers to recipients and to the end of a mail."""

    port: int = 0
    taken: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    answer: str = "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            self.taken.append((envelope.mail_from or "", list(envelope.rcpt_tos), bytes(envelope.content or b"")))
        return self.answer


@asynccontextmanager
async def serving(inbox: Inbox, **options: Any) -> AsyncIterator[Inbox]:
    """A real SMTP server on loopback."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, hostname="localhost", loop=loop, **options), "127.0.0.1", 0)
    inbox.port = server.sockets[0].getsockname()[1]
    try:
        yield inbox
    finally:
        server.close()
        await server.wait_closed()


def mailer(port: int, **settings: Any) -> Mailer:
    """A mailer for the server."""
    return Mailer(MailSettings("127.0.0.1", port, **settings), total_seconds=5)


async def test_send_reaches_all_recipients() -> None:
    """As it was written."""
    async with serving(Inbox()) as inbox:
        assert await mailer(inbox.port).send(MAIL, ["a@example.com", "b@example.com"]) == SendResult(ok=True)
    assert inbox.taken == [("lumetry@localhost", ["a@example.com", "b@example.com"], MAIL)]


async def test_send_to_some_when_others_are_refused() -> None:
    """One that is unknown keeps nobody from being told."""
    async with serving(Inbox(refused={"a@example.com": "550 unknown"})) as inbox:
        assert (await mailer(inbox.port).send(MAIL, ["a@example.com", "b@example.com"])).ok
    assert [recipients for _, recipients, _ in inbox.taken] == [["b@example.com"]]


async def test_refusals_tell_the_code_and_nothing_else() -> None:
    """Permanent ones are final, temporary ones are not."""
    async with serving(Inbox(answer="554 secret text")) as inbox:
        refused = await mailer(inbox.port).send(MAIL, ["a@example.com"])
        inbox.answer = "451 later"
        later = await mailer(inbox.port).send(MAIL, ["a@example.com"])
        inbox.refused["a@example.com"] = "550 unknown"
        unknown = await mailer(inbox.port).send(MAIL, ["a@example.com"])
    assert refused == SendResult(ok=False, error="the SMTP server answered 554", is_final=True)
    assert later == SendResult(ok=False, error="the SMTP server answered 451")
    assert unknown == SendResult(ok=False, error="the SMTP server refused all recipients with 550", is_final=True)


async def test_send_logs_in() -> None:
    """With what the operator set, and with nothing else."""

    def check(_server: object, _session: object, _envelope: object, _mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"me", b"right"), handled=False)

    options = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    async with serving(Inbox(), **options) as inbox:
        right = await mailer(inbox.port, username="me", password="right").send(MAIL, ["a@example.com"])
        wrong = await mailer(inbox.port, username="me", password="wrong").send(MAIL, ["a@example.com"])
    assert (right.ok, wrong) == (True, SendResult(ok=False, error="the SMTP server answered 535", is_final=True))


async def test_tls_that_is_required_but_not_offered_sends_nothing() -> None:
    """Not even the sender."""
    async with serving(Inbox()) as inbox:
        result = await mailer(inbox.port, requires_tls=True).send(MAIL, ["a@example.com"])
    assert (result.ok, inbox.taken) == (False, [])


async def test_without_a_server_nothing_is_sent() -> None:
    """None set, and none there."""
    assert await Mailer(MailSettings()).send(MAIL, ["a@example.com"]) == SendResult(
        ok=False, error="SMTP is not configured", is_final=True, reached=False
    )
    async with serving(Inbox()) as inbox:
        pass
    gone = await mailer(inbox.port).send(MAIL, ["a@example.com"])
    assert (gone.ok, gone.reached) == (False, False)
