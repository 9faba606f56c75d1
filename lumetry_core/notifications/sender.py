"""Sends messages to integrations. Never inside a transaction."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from lumetry_core.access.vault import Vault, VaultError
from lumetry_core.alerts.decisions import Transition
from lumetry_core.notifications import messages_servicenow as servicenow
from lumetry_core.notifications.messages import Message, make_test
from lumetry_core.notifications.messages_chat import render_slack, render_teams
from lumetry_core.notifications.messages_pagerduty import render_pagerduty
from lumetry_core.notifications.messages_webhook import render_webhook
from lumetry_core.notifications.model import Integration, IntegrationType, Secrets, SendResult
from lumetry_core.notifications.sealing import unseal
from lumetry_core.runtime.outbound import TOTAL_SECONDS, OutboundAnswer, OutboundClient, OutboundError, OutboundRequest, Trouble

Render = Callable[[Integration, Secrets, Message], OutboundRequest]
RENDER: Mapping[IntegrationType, Render] = {
    IntegrationType.WEBHOOK: render_webhook,
    IntegrationType.SLACK: render_slack,
    IntegrationType.MICROSOFT_TEAMS: render_teams,
    IntegrationType.PAGERDUTY: render_pagerduty,
}
"""Types for which a message is one request."""
KEEPS_INCIDENTS = frozenset({IntegrationType.PAGERDUTY, IntegrationType.SERVICENOW})
"""Types whose receivers keep an incident open until they are told that it is over."""
NOT_FINAL = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
MAX_RETRY_AFTER_SECONDS = 3600.0


class Sender:
    """Sends messages, each once; whoever asks decides about further attempts."""

    def __init__(self, client: OutboundClient, vault: Vault, *, total_seconds: float = TOTAL_SECONDS) -> None:
        """Builds the sender.

        Args:
            client: Reaches the receivers.
            vault: Opens what integrations keep sealed.
            total_seconds: Within which a message is sent, however many requests it takes.
        """
        self._client = client
        self._vault = vault
        self._total_seconds = total_seconds

    async def send(self, integration: Integration, message: Message) -> SendResult:
        """Sends a message as the integration's type wants it. Answers every failure of network and receiver; raises none."""
        try:
            secrets = unseal(self._vault, integration)
        except VaultError as error:
            return SendResult(ok=False, error=str(error), reached=False)
        render = RENDER.get(integration.type)
        if render is not None:
            return await self._ask(render(integration, secrets, message))
        try:
            async with asyncio.timeout(self._total_seconds):
                return await self._tell_servicenow(integration, secrets, message)
        except TimeoutError:
            return SendResult(ok=False, error=f"no answer within {self._total_seconds:g} s")

    async def send_test(self, integration: Integration, now: datetime) -> SendResult:
        """Sends a message that is marked as a test, and takes it back where it would stay open."""
        result = await self.send(integration, make_test(integration.id, Transition.OPEN, now))
        if result.ok and integration.type in KEEPS_INCIDENTS:
            return await self.send(integration, make_test(integration.id, Transition.CLOSE, now))
        return result

    async def _ask(self, request: OutboundRequest) -> SendResult:
        answer = await self._reach(request)
        return answer if isinstance(answer, SendResult) else judge(answer)

    async def _reach(self, request: OutboundRequest) -> OutboundAnswer | SendResult:
        """The answer to a request, or what becomes of a message whose request has none."""
        try:
            return await self._client.send(request)
        except OutboundError as error:
            return SendResult(ok=False, error=error.message, is_final=error.trouble is Trouble.ADDRESS, reached=error.reached)

    async def _tell_servicenow(self, integration: Integration, secrets: Secrets, message: Message) -> SendResult:
        """Creates, raises or resolves the incident of an alert. Whatever is done already is not done again."""
        answer = await self._reach(servicenow.render_search(integration, secrets, message))
        if isinstance(answer, SendResult):
            return answer
        found: list[servicenow.Found] | None = []
        if answer.status != HTTPStatus.NOT_FOUND:  # which older instances answer when nothing is found
            result = judge(answer)
            if not result.ok:
                return result
            found = servicenow.read_found(answer.body)
        if found is None:
            return SendResult(ok=False, status_code=answer.status, error="the answer is not one of ServiceNow's table of incidents")
        result = SendResult(ok=True, status_code=answer.status)
        if message.transition is Transition.CLOSE:
            for each in found:
                if result.ok and each.state not in servicenow.FINISHED:
                    result = await self._ask(servicenow.render_resolve(integration, secrets, message, each))
            return result
        if not found:
            return await self._ask(servicenow.render_create(integration, secrets, message))
        if message.transition is Transition.ESCALATE:
            return await self._ask(servicenow.render_escalate(integration, secrets, message, found[0]))
        return result


def judge(answer: OutboundAnswer) -> SendResult:
    """What an answer means (contract lumetry 14.4): 2xx is success, 4xx final but for 408 and 429."""
    status = answer.status
    if 200 <= status < 300:
        return SendResult(ok=True, status_code=status)
    error = f"answered {status}{phrase_of(status)}"
    if 300 <= status < 400:
        error += "; redirects are not followed"
    is_final = 400 <= status < 500 and status not in NOT_FINAL
    return SendResult(ok=False, status_code=status, error=error, is_final=is_final, retry_after_seconds=read_retry_after(answer.headers))


def phrase_of(status: int) -> str:
    """The standard's words for a status, after a blank; what the receiver says may hold anything."""
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """For how long a receiver wants to be left alone, at most an hour; None when it does not say. Dates count from its own clock."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), MAX_RETRY_AFTER_SECONDS)
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
