"""Collectors in full, host agents, metric sources."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Goes forward; there is no way back."""
    op.create_table(
        "agent_credentials",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_credentials")),
        sa.UniqueConstraint("digest", name=op.f("uq_agent_credentials_digest")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("agent_credentials", schema=None) as batch_op:
        batch_op.create_index("ix_agent_credentials_organization_id_agent_id", ["organization_id", "agent_id"], unique=False)

    op.create_table(
        "agent_enrollment_profiles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("max_enrollments", sa.Integer(), nullable=False),
        sa.Column("enrollment_count", sa.Integer(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("required_collector_id", sa.String(length=36), nullable=True),
        sa.Column("token_prefix", sa.String(length=12), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_enrollment_profiles")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("agent_enrollment_profiles", schema=None) as batch_op:
        batch_op.create_index("ix_agent_enrollment_profiles_organization_id_name_key", ["organization_id", "name_key"], unique=False)

    op.create_table(
        "agent_enrollment_tokens",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_enrollment_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_agent_enrollment_tokens_digest")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("agent_enrollment_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_agent_enrollment_tokens_organization_id_profile_id", ["organization_id", "profile_id"], unique=False)

    op.create_table(
        "agent_rule_packs",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pack_id", sa.String(length=64), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=True),
        sa.Column("always_collect", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "pack_id", name=op.f("pk_agent_rule_packs")),
    )
    op.create_table(
        "agent_tags",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_tags")),
        sa.UniqueConstraint("organization_id", "name_key", name=op.f("uq_agent_tags_organization_id_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "collector_work",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.String(length=36), nullable=False),
        sa.Column("collector_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("precedence", sa.Integer(), nullable=False),
        sa.Column("capability", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("budget_ms", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("due_time", sa.BigInteger(), nullable=False),
        sa.Column("leases", sa.Integer(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=True),
        sa.Column("lease_expire_time", sa.BigInteger(), nullable=True),
        sa.Column("finish_time", sa.BigInteger(), nullable=True),
        sa.Column("succeeded", sa.Boolean(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("sample_count", sa.BigInteger(), nullable=True),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collector_work")),
        sa.UniqueConstraint("organization_id", "claim_id", name=op.f("uq_collector_work_organization_id_claim_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("collector_work", schema=None) as batch_op:
        batch_op.create_index("ix_collector_work_due_time", ["due_time"], unique=False)
        batch_op.create_index(
            "ix_collector_work_open",
            ["organization_id", "collector_id", "precedence", "id"],
            unique=False,
            sqlite_where=sa.text("finish_time IS NULL"),
            postgresql_where=sa.text("finish_time IS NULL"),
        )
        batch_op.create_index(
            "uq_collector_work_open",
            ["organization_id", "kind", "subject"],
            unique=True,
            sqlite_where=sa.text("finish_time IS NULL"),
            postgresql_where=sa.text("finish_time IS NULL"),
        )

    op.create_table(
        "host_agent_tags",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "agent_id", "tag_id", name=op.f("pk_host_agent_tags")),
    )
    with op.batch_alter_table("host_agent_tags", schema=None) as batch_op:
        batch_op.create_index("ix_host_agent_tags_organization_id_tag_id", ["organization_id", "tag_id", "agent_id"], unique=False)

    op.create_table(
        "host_agents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("agent_key", sa.String(length=36), nullable=False),
        sa.Column("installation_id", sa.String(length=36), nullable=False),
        sa.Column("profile_id", sa.BigInteger(), nullable=False),
        sa.Column("host_id", sa.String(length=128), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("os", sa.String(length=16), nullable=False),
        sa.Column("arch", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("credential_prefix", sa.String(length=12), nullable=False),
        sa.Column("enroll_time", sa.BigInteger(), nullable=False),
        sa.Column("contact_time", sa.BigInteger(), nullable=False),
        sa.Column("required_collector_id", sa.String(length=36), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.Column("node_id", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_time", sa.BigInteger(), nullable=True),
        sa.Column("transport", sa.String(length=16), nullable=False),
        sa.Column("collector_id", sa.String(length=36), nullable=True),
        sa.Column("queue_depth", sa.BigInteger(), nullable=False),
        sa.Column("dropped_count", sa.BigInteger(), nullable=False),
        sa.Column("series_count", sa.BigInteger(), nullable=False),
        sa.Column("series_dropped", sa.BigInteger(), nullable=False),
        sa.Column("packs", sa.Text(), nullable=False),
        sa.Column("detected_software", sa.Text(), nullable=False),
        sa.Column("config_revision", sa.Integer(), nullable=False),
        sa.Column("config", sa.String(length=64), nullable=False),
        sa.Column("offline_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_agents")),
        sa.UniqueConstraint("organization_id", "agent_key", name=op.f("uq_host_agents_organization_id_agent_key")),
        sa.UniqueConstraint("organization_id", "installation_id", name=op.f("uq_host_agents_organization_id_installation_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("host_agents", schema=None) as batch_op:
        batch_op.create_index("ix_host_agents_organization_id_contact_time", ["organization_id", "contact_time"], unique=False)
        batch_op.create_index("ix_host_agents_organization_id_name_key", ["organization_id", "name_key"], unique=False)

    op.create_table(
        "host_process_reports",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("collect_time", sa.BigInteger(), nullable=False),
        sa.Column("receive_time", sa.BigInteger(), nullable=False),
        sa.Column("usage", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "agent_id", name=op.f("pk_host_process_reports")),
    )
    op.create_table(
        "host_processes",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("executable", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.Column("identity", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("instance_count", sa.Integer(), nullable=False),
        sa.Column("first_seen_time", sa.BigInteger(), nullable=False),
        sa.Column("gone_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "agent_id", "executable", name=op.f("pk_host_processes")),
    )
    with op.batch_alter_table("host_processes", schema=None) as batch_op:
        batch_op.create_index("ix_host_processes_organization_id_identity", ["organization_id", "identity", "agent_id"], unique=False)

    op.create_table(
        "metric_senders",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("agent_key", sa.String(length=36), nullable=False),
        sa.Column("host_id", sa.String(length=128), nullable=False),
        sa.Column("host_group", sa.String(length=255), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("required_collector_id", sa.String(length=36), nullable=True),
        sa.Column("max_series", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "agent_id", name=op.f("pk_metric_senders")),
    )
    op.create_table(
        "metric_source_tests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("samples", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_source_tests")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("metric_source_tests", schema=None) as batch_op:
        batch_op.create_index("ix_metric_source_tests_organization", ["organization_id", "create_time"], unique=False)

    op.create_table(
        "metric_sources",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("poll_interval_seconds", sa.Integer(), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("collector_id", sa.String(length=36), nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("last_poll_time", sa.BigInteger(), nullable=True),
        sa.Column("last_status", sa.String(length=20), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_success_time", sa.BigInteger(), nullable=True),
        sa.Column("failures_in_row", sa.Integer(), nullable=False),
        sa.Column("stale_time", sa.BigInteger(), nullable=True),
        sa.Column("due_time", sa.BigInteger(), nullable=True),
        sa.Column("is_claimed", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_sources")),
        sa.UniqueConstraint("organization_id", "name_key", name="uq_metric_sources_name"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("metric_sources", schema=None) as batch_op:
        batch_op.create_index("ix_metric_sources_due", ["due_time"], unique=False)
        batch_op.create_index("ix_metric_sources_stale", ["stale_time"], unique=False)

    op.create_table(
        "monitored_parts",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("identity", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "kind", "number", name=op.f("pk_monitored_parts")),
    )
    with op.batch_alter_table("monitored_parts", schema=None) as batch_op:
        batch_op.create_index("ix_monitored_parts_organization_id_identity", ["organization_id", "identity"], unique=False)

    op.create_table(
        "monitored_processes",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("identity", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("node_id", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "identity", name=op.f("pk_monitored_processes")),
    )
    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=16), server_default="automation", nullable=False))
        batch_op.add_column(sa.Column("machine", sa.String(length=128), nullable=True))

    with op.batch_alter_table("collectors", schema=None) as batch_op:
        batch_op.add_column(sa.Column("credential_id", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("recent_instances", sa.Text(), server_default=sa.text("''"), nullable=False))
        batch_op.add_column(sa.Column("config", sa.Text(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("config_apply_status", sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column("config_apply_error", sa.Text(), server_default=sa.text("''"), nullable=False))
        batch_op.drop_column("previous_instance_id")
        batch_op.drop_column("previous_seen_time")
