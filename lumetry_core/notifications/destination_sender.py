"""Sends dispatches to channels and webhooks. Never inside a transaction."""

import importlib.metadata
from collections.abc import Callable, Mapping
from datetime import datetime

from lumetry_core.access.vault import Vault, VaultError
from lumetry_core.notifications.destinations import Channel, ChannelType, Target, Webhook
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.notifications.mailer import Mails
from lumetry_core.notifications.messages_chat import tell_slack, tell_teams
from lumetry_core.notifications.messages_discord import tell_discord
from lumetry_core.notifications.messages_email import write_email
from lumetry_core.notifications.messages_gotify import tell_gotify
from lumetry_core.notifications.messages_ntfy import tell_ntfy
from lumetry_core.notifications.messages_pagerduty import tell_pagerduty
from lumetry_core.notifications.messages_telegram import tell_telegram
from lumetry_core.notifications.messages_webhook import post_bytes
from lumetry_core.notifications.model import Secrets, SendResult
from lumetry_core.notifications.news import News, Place, read_news
from lumetry_core.notifications.sealing import open_channel, open_webhook
from lumetry_core.notifications.sender import judge
from lumetry_core.notifications.signing import signed_headers
from lumetry_core.runtime.outbound import OutboundClient, OutboundError, OutboundRequest, Trouble

Tell = Callable[[Place, News], OutboundRequest]
TELL: Mapping[ChannelType, Tell] = {
    ChannelType.SLACK: tell_slack,
    ChannelType.DISCORD: tell_discord,
    ChannelType.TEAMS: tell_teams,
    ChannelType.NTFY: tell_ntfy,
    ChannelType.GOTIFY: tell_gotify,
    ChannelType.TELEGRAM: tell_telegram,
    ChannelType.PAGERDUTY: tell_pagerduty,
}
"""Types for which the stored bytes take another form."""
USER_AGENT = f"Lumetry/{importlib.metadata.version('lumetry')}"


class DestinationSender:
    """Sends dispatches, each once; whoever asks decides about further attempts."""

    def __init__(self, client: OutboundClient, vault: Vault, mailer: Mails) -> None:
        self._client = client
        self._vault = vault
        self._mailer = mailer

    async def send(self, target: Target, dispatch: Dispatch, now: datetime) -> SendResult:
        """Sends a dispatch as its target wants it. Answers every failure of network and receiver; raises none."""
        try:
            if isinstance(target, Webhook):
                return await self._reach(self._render_webhook(target, dispatch, now))
            secrets = open_channel(self._vault, target)
        except VaultError as error:
            return SendResult(ok=False, error=str(error), reached=False)
        if target.type is ChannelType.EMAIL:
            mail = write_email(read_news(dispatch.body or b""), self._mailer.sender, target.recipients, dispatch.key, now)
            return await self._mailer.send(mail, target.recipients)
        return await self._reach(render_channel(target, secrets, dispatch, now))

    def _render_webhook(self, webhook: Webhook, dispatch: Dispatch, now: datetime) -> OutboundRequest:
        """The stored bytes, signed with every secret that is valid."""
        secrets = open_webhook(self._vault, webhook, now)
        body = dispatch.body or b""
        headers = {"User-Agent": USER_AGENT, **signed_headers(secrets, dispatch.event, dispatch.key, now, body)}
        return post_bytes(Place(webhook.url), body, headers)

    async def _reach(self, request: OutboundRequest) -> SendResult:
        try:
            answer = await self._client.send(request)
        except OutboundError as error:
            return SendResult(ok=False, error=error.message, is_final=error.trouble is Trouble.ADDRESS, reached=error.reached)
        return judge(answer)


def render_channel(channel: Channel, secrets: Secrets, dispatch: Dispatch, now: datetime) -> OutboundRequest:
    """The request of a dispatch to a channel that HTTP leads to."""
    place, body = Place(channel.url, secrets, channel.config), dispatch.body or b""
    tell = TELL.get(channel.type)
    if tell is not None:
        return tell(place, read_news(body))
    headers = {} if secrets.secret is None else signed_headers([secrets.secret], dispatch.event, dispatch.key, now, body)
    return post_bytes(place, body, headers)
