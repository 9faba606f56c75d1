"""Rules in the database. A rule's definition is one JSON document; what lists search and sort by has columns of its own."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, UniqueConstraint, func, select, update

from lumetry_core.rules.model import Definition, Rule, RuleStatus, RuleSummary, Severity
from lumetry_core.runtime.database import Id, Time, Transaction, metadata
from lumetry_core.runtime.paging import Page

rules = Table(
    "rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("name_key", Text, nullable=False),
    Column("status", String(20), nullable=False),
    Column("search_text", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("counting_epoch", Integer, nullable=False),
    Column("create_time", Time, nullable=False),
    Column("update_time", Time, nullable=False),
    Column("created_by", BigInteger),
    UniqueConstraint("organization_id", "name_key"),
    Index("ix_rules_organization_create", "organization_id", "create_time", "id"),
    Index("ix_rules_organization_status", "organization_id", "status", "create_time", "id"),
    sqlite_autoincrement=True,
)
rule_levels = Table(
    "rule_levels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", BigInteger, nullable=False),
    Column("rule_id", BigInteger, nullable=False),
    Column("severity", String(20), nullable=False),
    UniqueConstraint("organization_id", "rule_id", "severity"),
    sqlite_autoincrement=True,
)

encoder = msgspec.json.Encoder()
decoder = msgspec.json.Decoder(Definition)
DEFINITION_FIELDS = tuple(field.name for field in fields(Definition))


async def insert_rule(tx: Transaction, organization_id: int, definition: Definition, now: datetime, created_by: int | None) -> int:
    """Adds a rule and answers its number; its levels are written by `update_rule`, as they need numbers first."""
    values = writable(definition) | {
        "organization_id": organization_id,
        "counting_epoch": 1,
        "create_time": now,
        "update_time": now,
        "created_by": created_by,
    }
    number: int = (await tx.execute(rules.insert().values(values).returning(rules.c.id))).scalar_one()
    return number


async def update_rule(
    tx: Transaction, organization_id: int, rule_id: int, definition: Definition, counting_epoch: int, now: datetime
) -> None:
    """Replaces a rule's definition."""
    values = writable(definition) | {"counting_epoch": counting_epoch, "update_time": now}
    await tx.execute(update(rules).where(rules.c.organization_id == organization_id, rules.c.id == rule_id).values(values))


def writable(definition: Definition) -> dict[str, Any]:
    """The columns that hold a definition."""
    searched = [definition.name, definition.status]
    for strategy in definition.strategies:
        searched += [strategy.metric_key, strategy.type, strategy.threshold_mode or ""]
    document = Definition(**{name: getattr(definition, name) for name in DEFINITION_FIELDS})
    return {
        "name_key": name_key(definition.name),
        "status": definition.status,
        "search_text": "\n".join(dict.fromkeys(searched)).lower(),
        "definition": encoder.encode(document).decode(),
    }


def name_key(name: str) -> str:
    """What must be unique of a name."""
    return name.lower()


async def take_level_ids(tx: Transaction, organization_id: int, rule_id: int, severities: Sequence[Severity]) -> dict[Severity, int]:
    """The number of the rule's level of each severity, which stays the same for as long as the rule exists."""
    rows = [{"organization_id": organization_id, "rule_id": rule_id, "severity": severity} for severity in severities]
    await tx.execute(tx.insert(rule_levels).on_conflict_do_nothing(), rows)
    statement = select(rule_levels.c.severity, rule_levels.c.id).where(
        rule_levels.c.organization_id == organization_id, rule_levels.c.rule_id == rule_id
    )
    return {Severity(row.severity): row.id for row in await tx.execute(statement)}


async def find_rule_id(tx: Transaction, organization_id: int, name: str) -> int | None:
    """The number of the rule with a name, ignoring case."""
    statement = select(rules.c.id).where(rules.c.organization_id == organization_id, rules.c.name_key == name_key(name))
    number: int | None = (await tx.execute(statement)).scalar_one_or_none()
    return number


async def read_rule(tx: Transaction, organization_id: int, rule_id: int) -> Rule | None:
    """Reads one rule."""
    statement = select(rules).where(rules.c.organization_id == organization_id, rules.c.id == rule_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else read_row(row)


async def select_rules(tx: Transaction, organization_id: int, search: str, status: RuleStatus | None, page: Page) -> tuple[list[Rule], int]:
    """Reads a page of the matching rules, newest first, and how many match."""
    conditions = [rules.c.organization_id == organization_id]
    if status is not None:
        conditions.append(rules.c.status == status)
    if search:
        conditions.append(rules.c.search_text.contains(search.lower(), autoescape=True))
    total: int = (await tx.execute(select(func.count()).select_from(rules).where(*conditions))).scalar_one()
    order = (rules.c.create_time.desc(), rules.c.id.desc())
    rows = await tx.execute(select(rules).where(*conditions).order_by(*order).limit(page.size).offset(page.offset))
    return [read_row(row) for row in rows], total


async def select_active(tx: Transaction, organization_id: int) -> list[Rule]:
    """Reads all active rules by number, ascending."""
    statement = select(rules).where(rules.c.organization_id == organization_id, rules.c.status == RuleStatus.ACTIVE)
    return [read_row(row) for row in await tx.execute(statement.order_by(rules.c.id))]


async def select_alerted(tx: Transaction, organization_id: int, alerting_profile_id: int) -> list[int]:
    """The numbers of the rules that name an alerting profile, ascending."""
    # The text narrows the rows down to few; what a name says may look like it, so each is read.
    written = f'"alerting_profile_id":{alerting_profile_id}'
    statement = select(rules).where(rules.c.organization_id == organization_id, rules.c.definition.contains(written, autoescape=True))
    rows = await tx.execute(statement.order_by(rules.c.id))
    return [row.id for row in rows if decoder.decode(row.definition).alerting_profile_id == alerting_profile_id]


async def select_alerting_profiles(tx: Transaction, organization_id: int, ids: Collection[int]) -> dict[int, int]:
    """The alerting profile that each of these rules names, as far as it names one."""
    if not ids:
        return {}
    statement = select(rules.c.id, rules.c.definition).where(rules.c.organization_id == organization_id, rules.c.id.in_(sorted(ids)))
    named = [(row.id, decoder.decode(row.definition).alerting_profile_id) for row in await tx.execute(statement)]
    return {rule_id: profile_id for rule_id, profile_id in named if profile_id is not None}


async def count_rules(tx: Transaction, organization_id: int) -> RuleSummary:
    """Counts rules by their index alone."""
    statement = select(rules.c.status, func.count().label("rule_count"))
    rows = await tx.execute(statement.where(rules.c.organization_id == organization_id).group_by(rules.c.status))
    counts: dict[str, int] = {row.status: row.rule_count for row in rows}
    return RuleSummary(sum(counts.values()), counts.get(RuleStatus.ACTIVE, 0))


def read_row(row: Any) -> Rule:  # noqa: ANN401 -- a row of the table
    """A rule from its row, named after its metric's key until a display name is looked up."""
    definition = decoder.decode(row.definition)
    written: dict[str, Any] = {name: getattr(definition, name) for name in DEFINITION_FIELDS}
    return Rule(
        **written,
        id=row.id,
        organization_id=row.organization_id,
        counting_epoch=row.counting_epoch,
        metric_display_name=definition.metric_key,
        create_time=row.create_time,
        update_time=row.update_time,
        created_by=row.created_by,
    )
