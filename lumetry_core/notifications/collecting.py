"""What collectors that deliver for integrations are given, and what their outcomes mean. The signature is made here: they need no key."""

from datetime import datetime

from lumetry_core.access.vault import Vault, VaultError
from lumetry_core.alerts.decisions import Transition
from lumetry_core.collectors.work import Handlers, NotificationPayload, Outcome, WorkItem, WorkKind
from lumetry_core.notifications.delivering import read_message
from lumetry_core.notifications.messages import Message, make_test
from lumetry_core.notifications.messages_webhook import render_webhook
from lumetry_core.notifications.model import Integration, SendResult
from lumetry_core.notifications.sealing import unseal
from lumetry_core.notifications.sender import judge
from lumetry_core.notifications.service.handing import find_handed, is_delivery, take_result
from lumetry_core.notifications.service.testing import find_tested
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.outbound import OutboundAnswer

SUCCESS = range(200, 300)
UNREACHED = "the collector got no answer"


class NotificationHandler:
    """Work of the kind `notification`; see `WorkHandler`."""

    def __init__(self, vault: Vault) -> None:
        """Builds the handler.

        Args:
            vault: Opens what integrations keep sealed, for one payload.
        """
        self._vault = vault

    async def describe(self, tx: Transaction, item: WorkItem, now: datetime) -> NotificationPayload | Outcome | None:
        """See `WorkHandler`."""
        if is_delivery(item):
            found = await find_handed(tx, item, now)
            return None if found is None else self._render(found[1], read_message(found[0], now))
        integration = await find_tested(tx, item)
        return None if integration is None else self._render(integration, make_test(integration.id, Transition.OPEN, now))

    async def finish(self, tx: Transaction, item: WorkItem, outcome: Outcome, now: datetime) -> None:
        """See `WorkHandler`. The outcome of a test stands in the item, where whoever asked for it waits."""
        if is_delivery(item):
            await take_result(tx, item, read_result(outcome), now)

    def _render(self, integration: Integration, message: Message) -> NotificationPayload | Outcome:
        try:
            secrets = unseal(self._vault, integration)
        except VaultError as error:
            return Outcome(succeeded=False, error=str(error))
        request = render_webhook(integration, secrets, message)
        return NotificationPayload(message.key, request.url, request.headers, request.body, request.method)


def build_handlers(vault: Vault) -> Handlers:
    """The handler of notifications."""
    return {WorkKind.NOTIFICATION: NotificationHandler(vault)}


def read_result(outcome: Outcome) -> SendResult:
    """What an outcome means for the attempt. A collector that is away, too, counts as a receiver that cannot be reached."""
    status = outcome.status_code
    if not status:
        return SendResult(ok=True) if outcome.succeeded else SendResult(ok=False, error=outcome.error or UNREACHED, reached=outcome.reached)
    if status in SUCCESS and not outcome.succeeded:
        return SendResult(ok=False, status_code=status, error=outcome.error or UNREACHED)
    return judge(OutboundAnswer(status, {}, b""))
