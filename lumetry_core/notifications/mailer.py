"""Sends e-mail through the operator's server. Never inside a transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lumetry_core.notifications.model import SendResult

NOT_CONFIGURED = SendResult(ok=False, error="SMTP is not configured", is_final=True, reached=False)
TLS_PORT = 465
"""Where encryption begins before the first word."""
TOTAL_SECONDS = 10.0
PERMANENT = 500


@dataclass(frozen=True, slots=True)
class MailSettings:
    """The server that the operator set; without a host there is none."""

    host: str = ""
    port: int = 587
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str = "lumetry@localhost"
    requires_tls: bool = False


class Mails(Protocol):
    """Who sends e-mail."""

    @property
    def sender(self) -> str:
        """The address that it comes from."""

    async def send(self, mail: bytes, recipients: Sequence[str]) -> SendResult:
        """Sends once; raises nothing that a server can cause."""


class Mailer:
    """A connection for each e-mail: there are few."""

    def __init__(self, settings: MailSettings, *, total_seconds: float = TOTAL_SECONDS) -> None:
        self._settings = settings
        self._total_seconds = total_seconds

    @property
    def sender(self) -> str:
        """See `Mails`."""
        return self._settings.sender

    async def send(self, mail: bytes, recipients: Sequence[str]) -> SendResult:
        """See `Mails`. Encrypts as soon as the server offers it; what one of several recipients cannot get the others still do."""
        import aiosmtplib  # noqa: PLC0415 -- most deployments send none

        settings = self._settings
        if not settings.host:
            return NOT_CONFIGURED
        is_tls = settings.port == TLS_PORT
        try:
            async with asyncio.timeout(self._total_seconds):
                await aiosmtplib.send(
                    mail,
                    sender=settings.sender,
                    recipients=list(recipients),
                    hostname=settings.host,
                    port=settings.port,
                    username=settings.username or None,
                    password=settings.password or None,
                    use_tls=is_tls,
                    start_tls=None if not settings.requires_tls or is_tls else True,
                    timeout=self._total_seconds,
                )
        except aiosmtplib.SMTPResponseException as error:
            return SendResult(ok=False, error=f"the SMTP server answered {error.code}", is_final=error.code >= PERMANENT)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [refused.code for refused in error.recipients]
            text = f"the SMTP server refused all recipients with {', '.join(str(code) for code in sorted(set(codes)))}"
            return SendResult(ok=False, error=text, is_final=all(code >= PERMANENT for code in codes))
        except (TimeoutError, aiosmtplib.SMTPTimeoutError):
            return SendResult(ok=False, error=f"the SMTP server did not answer within {self._total_seconds:g} s")
        except aiosmtplib.SMTPConnectError:
            return SendResult(ok=False, error="no connection to the SMTP server", reached=False)
        except (aiosmtplib.SMTPException, OSError, ValueError):
            return SendResult(ok=False, error="the SMTP server cannot be used as it is configured")
        return SendResult(ok=True)
