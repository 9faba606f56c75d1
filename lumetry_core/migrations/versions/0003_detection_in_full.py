"""Detection in full: baselines, fleets, compound rules, definitions of metrics, settings of organizations."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Goes forward; there is no way back."""
    op.create_table(
        "baseline_blocks",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("baseline_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "baseline_id", "hour", name=op.f("pk_baseline_blocks")),
    )
    op.create_table(
        "baseline_exclusions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("metric_key", sa.Text(), nullable=True),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baseline_exclusions")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("baseline_exclusions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_baseline_exclusions_organization_kind_start", ["organization_id", "kind", "start_time", "id"], unique=False
        )

    op.create_table(
        "baseline_journal",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baseline_journal")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("baseline_journal", schema=None) as batch_op:
        batch_op.create_index("ix_baseline_journal_organization_partition", ["organization_id", "partition", "id"], unique=False)

    op.create_table(
        "baseline_members",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("baseline_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("member", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dimension_key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "baseline_id", "member", name=op.f("pk_baseline_members")),
    )
    op.create_table(
        "baseline_profile_uses",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "kind", "number", name=op.f("pk_baseline_profile_uses")),
    )
    with op.batch_alter_table("baseline_profile_uses", schema=None) as batch_op:
        batch_op.create_index("ix_baseline_profile_uses_organization_profile", ["organization_id", "profile_id"], unique=False)

    op.create_table(
        "baseline_profiles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("lookback_days", sa.Integer(), nullable=False),
        sa.Column("minimum_points", sa.Integer(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baseline_profiles")),
        sa.UniqueConstraint("organization_id", "name_key", name=op.f("uq_baseline_profiles_organization_id_name_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("baseline_profiles", schema=None) as batch_op:
        batch_op.create_index(
            "uq_baseline_profiles_organization_default",
            ["organization_id"],
            unique=True,
            sqlite_where=sa.text("is_default"),
            postgresql_where=sa.text("is_default"),
        )

    op.create_table(
        "baseline_rebuild_progress",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rebuild_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "rebuild_id", "partition", name=op.f("pk_baseline_rebuild_progress")),
    )
    op.create_table(
        "baseline_rebuilds",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=True),
        sa.Column("metric_id", sa.BigInteger(), nullable=True),
        sa.Column("start_ms", sa.BigInteger(), nullable=True),
        sa.Column("end_ms", sa.BigInteger(), nullable=True),
        sa.Column("include_violations", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baseline_rebuilds")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("baseline_rebuilds", schema=None) as batch_op:
        batch_op.create_index("ix_baseline_rebuilds_organization", ["organization_id", "id"], unique=False)

    op.create_table(
        "baselines",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("metric_id", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("folded_journal_id", sa.BigInteger(), nullable=False),
        sa.Column("hours", sa.LargeBinary(), nullable=False),
        sa.Column("pending", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("build_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_baselines")),
        sa.UniqueConstraint("organization_id", "profile_id", "metric_id", name=op.f("uq_baselines_organization_id_profile_id_metric_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("baselines", schema=None) as batch_op:
        batch_op.create_index("ix_baselines_organization_partition", ["organization_id", "partition"], unique=False)

    op.create_table(
        "compound_cycles",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cycle_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_compound_cycles")),
    )
    op.create_table(
        "fleet_states",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("metric_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("tick_time", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "metric_id", name=op.f("pk_fleet_states")),
    )
    with op.batch_alter_table("fleet_states", schema=None) as batch_op:
        batch_op.create_index("ix_fleet_states_organization_partition", ["organization_id", "partition"], unique=False)

    op.create_table(
        "metric_bindings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("metric_key", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("labels_digest", sa.String(length=64), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_bindings")),
        sa.UniqueConstraint("organization_id", "metric_key", "node_id", "labels_digest", name="uq_metric_bindings_same"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "metric_references",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("metric_key", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "kind", "number", "metric_key", name=op.f("pk_metric_references")),
    )
    with op.batch_alter_table("metric_references", schema=None) as batch_op:
        batch_op.create_index("ix_metric_references_organization_key", ["organization_id", "metric_key", "kind", "number"], unique=False)

    op.create_table(
        "organization_settings",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "name", name=op.f("pk_organization_settings")),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index(
            "uq_alerts_detected",
            ["organization_id", "metric_key", "dimension_key"],
            unique=True,
            sqlite_where=sa.text("state <> 'Closed' AND source_kind = 'FleetDetector'"),
            postgresql_where=sa.text("state <> 'Closed' AND source_kind = 'FleetDetector'"),
        )

    with op.batch_alter_table("metrics", schema=None) as batch_op:
        batch_op.add_column(sa.Column("entity_type", sa.String(length=64), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("entity_identifier", sa.String(length=200), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("metadata", sa.Text(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("fleet", sa.Text(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("delete_time", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("violations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("analysis", sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column("tick_time", sa.BigInteger(), nullable=True))
        batch_op.create_index(
            "uq_violations_tick",
            ["organization_id", "metric_key", "dimension_key", "tick_time", "analysis"],
            unique=True,
            sqlite_where=sa.text("analysis IS NOT NULL"),
            postgresql_where=sa.text("analysis IS NOT NULL"),
        )
    note_references()


def note_references() -> None:
    """Rules written so far refer to the metric that they watch."""
    rules = sa.table("rules", sa.column("id"), sa.column("organization_id"), sa.column("definition"))
    references = sa.table(
        "metric_references", sa.column("organization_id"), sa.column("kind"), sa.column("number"), sa.column("metric_key")
    )
    connection = op.get_bind()
    rows = [
        {"organization_id": row.organization_id, "kind": "Rule", "number": row.id, "metric_key": json.loads(row.definition)["metric_key"]}
        for row in connection.execute(sa.select(rules.c.id, rules.c.organization_id, rules.c.definition))
    ]
    if rows:
        connection.execute(sa.insert(references), rows)
