"""Tells channels what a round of routing is about, in its transaction (contract monitoring 10, 13.2)."""

from collections.abc import Sequence

from lumetry_core.alerts.decisions import Transition
from lumetry_core.alerts.model import Alert
from lumetry_core.alerts.spelling import source_of, spell_monitored
from lumetry_core.notifications.channel_routing import ChannelFacts, Happening, route_to_channels
from lumetry_core.notifications.destinations import Channel
from lumetry_core.notifications.dispatch import Dispatch
from lumetry_core.notifications.news import FIRED, write_content
from lumetry_core.notifications.service.dispatches import draft, post
from lumetry_core.notifications.service.facts import Known
from lumetry_core.notifications.service.walk import as_active
from lumetry_core.notifications.store import channels as store
from lumetry_core.notifications.store.held import STORM, Held
from lumetry_core.runtime.database import Transaction
from lumetry_core.runtime.queue import WorkItem

KINDS = frozenset(Happening)


async def tell_channels(tx: Transaction, known: Known, items: Sequence[WorkItem], looked_at: Sequence[Held]) -> None:
    """Offers what happened to the channels. `known` is as the round found it.

    Args:
        tx: Writes.
        known: What decides.
        items: Of the round.
        looked_at: What waited and is looked at again, as a silence ended or time went by.
    """
    channels = await store.select_channels(tx, known.organization_id)
    if not channels:
        return
    happenings = list_happenings(items, looked_at)
    offers = await store.read_offers(tx, known.organization_id, {alert_id for alert_id, _ in happenings})
    round_ = ChannelRound(known, channels, offers)
    for alert_id, happening in happenings:
        alert = known.alerts.get(alert_id)
        if alert is not None:
            round_.follow(alert, happening)
    await post(tx, round_.drafts)
    await store.insert_offers(tx, known.organization_id, round_.new_offers)
    await store.delete_offers(tx, known.organization_id, round_.closed)


def list_happenings(items: Sequence[WorkItem], looked_at: Sequence[Held]) -> list[tuple[int, Happening]]:
    """What happened to which alert, in order: what is released by time comes first, as it had waited."""
    released = [(held.alert_id, Happening.RELEASE) for held in looked_at if held.cause != STORM]
    return released + [(item.payload["alert_id"], Happening(item.kind)) for item in items if item.kind in KINDS]


class ChannelRound:
    """What a round tells channels.

    Attributes:
        drafts: What is to be sent, in order.
        new_offers: Alerts and the channels that are told that they fired.
        closed: Alerts that are over.
    """

    def __init__(self, known: Known, channels: Sequence[Channel], offers: dict[int, set[int]]) -> None:
        self.drafts: list[Dispatch] = []
        self.new_offers: set[tuple[int, int]] = set()
        self.closed: set[int] = set()
        self._known = known
        self._channels = channels
        self._offers = offers

    def follow(self, alert: Alert, happening: Happening) -> None:
        """Decides about one happening. What several of a round would tell twice is told once."""
        telling = route_to_channels(happening, self.facts_of(alert, happening), self._channels)
        if telling.event == FIRED:
            told = [channel for channel in telling.channels if (alert.id, channel.id) not in self.new_offers]
            self.new_offers |= {(alert.id, channel.id) for channel in told}
            self._offers.setdefault(alert.id, set()).update(channel.id for channel in told)
            self.tell(as_active(alert), FIRED, told)
        else:
            self.tell(alert, telling.event, telling.channels)
        if happening is Happening.CLOSE:
            self.closed.add(alert.id)

    def tell(self, alert: Alert, event: str, channels: Sequence[Channel]) -> None:
        """Drafts what channels are told; the bytes are the same for all."""
        if not channels:
            return
        body = write_content(event, spell_monitored(alert), self._known.now)
        self.drafts += [
            draft(channel.key, event, body, self._known.now, subject=f"alert:{alert.id}", alert_id=alert.id) for channel in channels
        ]

    def facts_of(self, alert: Alert, happening: Happening) -> ChannelFacts:
        """What decides."""
        held = self._known.held.get((alert.id, Transition.OPEN))
        return ChannelFacts(
            source=source_of(alert),
            severity=alert.severity.value.lower(),
            channel_names=alert.channel_names or (),
            is_active=alert.is_active,
            is_covered=self.is_covered(alert, happening),
            was_held=held is not None and held.cause != STORM,
            offered=frozenset(self._offers.get(alert.id, ())),
        )

    def is_covered(self, alert: Alert, happening: Happening) -> bool:
        """Whether something keeps an alert from being told. What opens was judged when it did, what rises is judged now."""
        if alert.maintenance_window_id is not None or alert.silence_id is not None:
            return True
        return happening is not Happening.OPEN and self._known.silence_of(as_active(alert)) is not None
