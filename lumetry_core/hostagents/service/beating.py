"""Heartbeats of agents, many in one transaction (contract lumetry 17.3)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

import msgspec

from lumetry_core.access.model import unauthenticated
from lumetry_core.access.service.settings import read_settings
from lumetry_core.access.settings import OrganizationSettings
from lumetry_core.hostagents.model import Beat, Cluster, HostAgent, after_beat, came_back
from lumetry_core.hostagents.packs import WantedPack
from lumetry_core.hostagents.service.packs import wanted_packs
from lumetry_core.hostagents.service.presence import tell_online
from lumetry_core.hostagents.service.relays import list_relays, pick_relay
from lumetry_core.hostagents.service.sending import find_clusters, tell_ingestion
from lumetry_core.hostagents.store import agents as store
from lumetry_core.metrics.senders import GROUP_LABEL, check_relay
from lumetry_core.runtime.caller import Caller
from lumetry_core.runtime.clock import Clock
from lumetry_core.runtime.database import Database, Transaction
from lumetry_core.runtime.errors import Faults, LumetryError
from lumetry_core.runtime.group_commit import GroupCommit, Limits

LIMITS = Limits(group=500, waiting=20_000)
"""Heartbeats."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A heartbeat, and who sent it."""

    caller: Caller
    beat: Beat
    faults: Faults = field(default_factory=Faults)
    """What is wrong with its form; who is refused anyway does not hear of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is wanted of an agent."""

    server_time: datetime
    is_enabled: bool
    config_revision: int
    packs: Sequence[WantedPack]
    labels: Mapping[str, str]
    max_series: int


@dataclass(slots=True)
class Wishes:
    """What is wanted of the agents of an organization; rule packs are asked for once for all that are alike."""

    organization_id: int
    max_series: int
    clusters: Mapping[int, Cluster]
    packs: dict[tuple[str, tuple[str, ...]], Sequence[WantedPack]] = field(default_factory=dict)

    async def find_packs(self, tx: Transaction, agent: HostAgent) -> Sequence[WantedPack]:
        """The rule packs for an agent."""
        key = agent.os, agent.detected_software
        if key not in self.packs:
            self.packs[key] = await wanted_packs(tx, self.organization_id, *key)
        return self.packs[key]


class BeatAppender:
    """Takes heartbeats and commits them in groups while `run` runs."""

    def __init__(self, database: Database, clock: Clock, defaults: OrganizationSettings) -> None:
        """Builds the agent.

        Args:
            defaults: What the deployment sets for organizations that do not.
        """

        async def write(tx: Transaction, submissions: Sequence[Submission], now: datetime) -> list[Answer | LumetryError]:
            return await record_beats(tx, submissions, defaults, now)

        self._commits: GroupCommit[Submission, Answer | LumetryError] = GroupCommit(database, clock, write, size_of, LIMITS)

    async def append(self, submission: Submission) -> Answer:
        """Notes that an agent lives. Fails with UNAUTHENTICATED, RELAY_REQUIRED, VALIDATION_FAILED, OVERLOADED, STORE_UNAVAILABLE."""
        answer = await self._commits.append(submission)
        if isinstance(answer, LumetryError):
            raise answer
        return answer

    async def run(self) -> None:
        """Commits what waits until cancelled; who waits then is told to try again."""
        await self._commits.run()


def size_of(_submission: Submission) -> int:
    """One heartbeat."""
    return 1


async def record_beats(
    tx: Transaction, submissions: Sequence[Submission], defaults: OrganizationSettings, now: datetime
) -> list[Answer | LumetryError]:
    """Notes heartbeats; for each what its agent is told, or why it was refused. Not audited, like everything that machines repeat."""
    answers: list[Answer | LumetryError] = [unauthenticated()] * len(submissions)
    of_organizations: dict[int, list[int]] = defaultdict(list)
    for position, submission in enumerate(submissions):
        of_organizations[submission.caller.organization_id].append(position)
    for organization_id, positions in sorted(of_organizations.items()):
        found = await record_of_organization(tx, organization_id, [submissions[each] for each in positions], defaults, now)
        for position, answer in zip(positions, found, strict=True):
            answers[position] = answer
    return answers


async def record_of_organization(
    tx: Transaction, organization_id: int, submissions: Sequence[Submission], defaults: OrganizationSettings, now: datetime
) -> list[Answer | LumetryError]:
    """Notes heartbeats of one organization."""
    agents = await store.find_agents(tx, organization_id, {each.caller.agent_id or 0 for each in submissions}, lock=True)
    relays: frozenset[str] = frozenset()
    if any(each.caller.relay_collector_id is not None for each in submissions):
        relays = await list_relays(tx, organization_id)
    settings = await read_settings(tx, organization_id, defaults)
    wishes = Wishes(organization_id, settings.agents_max_series, await find_clusters(tx, organization_id, list(agents.values())))
    answers: list[Answer | LumetryError] = []
    beaten: dict[int, HostAgent] = {}
    back: list[HostAgent] = []
    for submission in submissions:
        agent = agents.get(submission.caller.agent_id or 0)
        if agent is None or agent.revoke_time is not None:
            answers.append(unauthenticated())
            continue
        relay = pick_relay(submission.caller.relay_collector_id, relays)
        try:
            check_relay(replace(submission.caller, relay_collector_id=relay), agent.required_collector_id)
            submission.faults.raise_if_any()
        except LumetryError as refusal:
            answers.append(refusal)
            continue
        after = after_beat(agent, submission.beat, relay, now)
        if came_back(agent):
            back.append(after)
        after, answer = await answer_to(tx, after, wishes, now)
        agents[agent.id] = beaten[agent.id] = after
        answers.append(answer)
    await store.save_beats(tx, beaten.values())
    await tell_online(tx, organization_id, back, now)
    return answers


async def answer_to(tx: Transaction, agent: HostAgent, wishes: Wishes, now: datetime) -> tuple[HostAgent, Answer]:
    """What an agent is told, and the agent with the revision of that; ingestion hears when it changed."""
    packs = await wishes.find_packs(tx, agent)
    cluster = wishes.clusters.get(agent.id)
    labels = {} if cluster is None else {GROUP_LABEL: cluster.external_id}
    config = sha256(msgspec.json.encode([packs, labels, wishes.max_series])).hexdigest()
    if config != agent.config:
        revision = agent.config_revision + 1 if agent.config else agent.config_revision
        agent = replace(agent, config=config, config_revision=revision)
        await tell_ingestion(tx, agent, cluster, wishes.max_series)
    return agent, Answer(now, agent.is_enabled, agent.config_revision, packs, labels, wishes.max_series)
