"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Goes forward; there is no way back."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=True),
        sa.Column("rule_epoch", sa.Integer(), nullable=False),
        sa.Column("metric_key", sa.Text(), nullable=True),
        sa.Column("metric_display_name", sa.Text(), nullable=True),
        sa.Column("dimension_key", sa.Text(), nullable=False),
        sa.Column("alert_name", sa.Text(), nullable=False),
        sa.Column("source_kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("alert_level_id", sa.BigInteger(), nullable=True),
        sa.Column("trigger_reason", sa.Text(), nullable=False),
        sa.Column("violation_count", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("acknowledge_time", sa.BigInteger(), nullable=True),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.Column("incident_eligibility", sa.String(length=40), nullable=True),
        sa.Column("watch_start_time", sa.BigInteger(), nullable=True),
        sa.Column("last_resolved_incident_id", sa.BigInteger(), nullable=True),
        sa.Column("first_violation_time", sa.BigInteger(), nullable=True),
        sa.Column("last_not_clear_time", sa.BigInteger(), nullable=True),
        sa.Column("close_cause", sa.String(length=20), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index("ix_alerts_organization_dimension", ["organization_id", "dimension_key", "start_time", "id"], unique=False)
        batch_op.create_index("ix_alerts_organization_incident", ["organization_id", "incident_id", "start_time", "id"], unique=False)
        batch_op.create_index("ix_alerts_organization_metric", ["organization_id", "metric_key", "start_time", "id"], unique=False)
        batch_op.create_index("ix_alerts_organization_rule", ["organization_id", "rule_id", "start_time", "id"], unique=False)
        batch_op.create_index("ix_alerts_organization_severity", ["organization_id", "severity", "start_time", "id"], unique=False)
        batch_op.create_index("ix_alerts_organization_source", ["organization_id", "source_kind", "start_time", "id"], unique=False)
        batch_op.create_index("ix_alerts_organization_start", ["organization_id", "start_time", "id"], unique=False)
        batch_op.create_index("ix_alerts_organization_state", ["organization_id", "state", "start_time", "id"], unique=False)
        batch_op.create_index(
            "ix_alerts_organization_state_severity", ["organization_id", "state", "severity", "start_time", "id"], unique=False
        )
        batch_op.create_index(
            "uq_alerts_active",
            ["organization_id", "rule_id", "dimension_key"],
            unique=True,
            sqlite_where=sa.text("state <> 'Closed'"),
            postgresql_where=sa.text("state <> 'Closed'"),
        )

    op.create_table(
        "api_tokens",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("permissions", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_api_tokens_organization_id_user_id", ["organization_id", "user_id"], unique=False)

    op.create_table(
        "audit_logs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("entity_type", sa.String(length=60), nullable=False),
        sa.Column("entity_id", sa.String(length=300), nullable=False),
        sa.Column("old_values_json", sa.Text(), nullable=True),
        sa.Column("new_values_json", sa.Text(), nullable=True),
        sa.Column("actor_user_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_name", sa.String(length=100), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("user_agent", sa.String(length=256), nullable=True),
        sa.Column("correlation_id", sa.String(length=128), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit_logs", schema=None) as batch_op:
        batch_op.create_index("ix_audit_logs_organization_id_create_time", ["organization_id", "create_time", "id"], unique=False)

    op.create_table(
        "collector_credentials",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("collector_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collector_credentials")),
        sa.UniqueConstraint("digest", name=op.f("uq_collector_credentials_digest")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("collector_credentials", schema=None) as batch_op:
        batch_op.create_index("ix_collector_credentials_organization_id_collector_id", ["organization_id", "collector_id"], unique=False)

    op.create_table(
        "collectors",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("enroll_time", sa.BigInteger(), nullable=True),
        sa.Column("credential_time", sa.BigInteger(), nullable=True),
        sa.Column("installation_id", sa.String(length=36), nullable=True),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("capabilities", sa.Text(), nullable=False),
        sa.Column("last_seen_time", sa.BigInteger(), nullable=True),
        sa.Column("queue_depth", sa.BigInteger(), nullable=False),
        sa.Column("dropped_count", sa.BigInteger(), nullable=False),
        sa.Column("clock_skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("instance_id", sa.String(length=36), nullable=True),
        sa.Column("instance_time", sa.BigInteger(), nullable=True),
        sa.Column("previous_instance_id", sa.String(length=36), nullable=True),
        sa.Column("previous_seen_time", sa.BigInteger(), nullable=True),
        sa.Column("config_revision", sa.BigInteger(), nullable=False),
        sa.Column("config_revision_applied", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_interval_seconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_collectors")),
        sa.UniqueConstraint("organization_id", "name_key", name=op.f("uq_collectors_organization_id_name_key")),
    )
    op.create_table(
        "decisions",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("transition", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("gates", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "alert_id", "transition", name=op.f("pk_decisions")),
    )
    op.create_table(
        "evaluation_retries",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=False),
        sa.Column("credential_kind", sa.String(length=40), nullable=True),
        sa.Column("credential_id", sa.BigInteger(), nullable=True),
        sa.Column("metric_id", sa.BigInteger(), nullable=True),
        sa.Column("time_ms", sa.BigInteger(), nullable=True),
        sa.Column("series_id", sa.BigInteger(), nullable=True),
        sa.Column("point_count", sa.Integer(), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("next_time", sa.BigInteger(), nullable=True),
        sa.Column("fail_time", sa.BigInteger(), nullable=True),
        sa.Column("complete_time", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("trace", sa.LargeBinary(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("partition", "offset", name=op.f("pk_evaluation_retries")),
    )
    with op.batch_alter_table("evaluation_retries", schema=None) as batch_op:
        batch_op.create_index("ix_evaluation_retries_next", ["partition", "next_time"], unique=False)
        batch_op.create_index("ix_evaluation_retries_organization", ["organization_id", "fail_time"], unique=False)

    op.create_table(
        "evaluation_runs",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("from_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("to_offset", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("complete_time", sa.BigInteger(), nullable=False),
        sa.Column("outcomes", sa.LargeBinary(), nullable=False),
        sa.Column("traces", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "from_offset", name=op.f("pk_evaluation_runs")),
    )
    with op.batch_alter_table("evaluation_runs", schema=None) as batch_op:
        batch_op.create_index("ix_evaluation_runs_complete", ["complete_time"], unique=False)

    op.create_table(
        "evaluation_versions",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_evaluation_versions")),
    )
    op.create_table(
        "event_heads",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_event_heads")),
    )
    op.create_table(
        "events",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("topic", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_events")),
    )
    op.create_table(
        "inbox_entries",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_count", sa.Integer(), nullable=False),
        sa.Column("point_count", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "first_offset", name=op.f("pk_inbox_entries")),
    )
    with op.batch_alter_table("inbox_entries", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_entries_organization", ["organization_id", "partition", "first_offset"], unique=False)

    op.create_table(
        "inbox_owners",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_inbox_owners")),
    )
    op.create_table(
        "inbox_partitions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.Column("appended_points", sa.BigInteger(), nullable=False),
        sa.Column("committed_offset", sa.BigInteger(), nullable=False),
        sa.Column("evaluated_points", sa.BigInteger(), nullable=False),
        sa.Column("sealed_offset", sa.BigInteger(), nullable=False),
        sa.Column("sealed_points", sa.BigInteger(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_expire_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("partition", name=op.f("pk_inbox_partitions")),
    )
    op.create_table(
        "inbox_receipts",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("first_offset", sa.BigInteger(), nullable=False),
        sa.Column("end_offset", sa.BigInteger(), nullable=False),
        sa.Column("job_count", sa.Integer(), nullable=False),
        sa.Column("last_create_time", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "partition", "first_offset", name=op.f("pk_inbox_receipts")),
    )
    with op.batch_alter_table("inbox_receipts", schema=None) as batch_op:
        batch_op.create_index("ix_inbox_receipts_organization_time", ["organization_id", "last_create_time"], unique=False)

    op.create_table(
        "incident_counters",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_incident_counters")),
    )
    op.create_table(
        "incident_members",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("incident_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alert_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alert_time", sa.BigInteger(), nullable=False),
        sa.Column("metric_key", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("violation_count", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("window_minutes", sa.Integer(), nullable=False),
        sa.Column("reference_alert_id", sa.BigInteger(), nullable=True),
        sa.Column("reference_time", sa.BigInteger(), nullable=True),
        sa.Column("gap_ms", sa.BigInteger(), nullable=True),
        sa.Column("join_time", sa.BigInteger(), nullable=False),
        sa.Column("leave_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "incident_id", "alert_id", name=op.f("pk_incident_members")),
    )
    with op.batch_alter_table("incident_members", schema=None) as batch_op:
        batch_op.create_index("ix_incident_members_organization_alert", ["organization_id", "alert_id"], unique=False)

    op.create_table(
        "incident_timeline",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_type", sa.String(length=40), nullable=False),
        sa.Column("source_type", sa.String(length=20), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_timeline")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("incident_timeline", schema=None) as batch_op:
        batch_op.create_index(
            "ix_incident_timeline_organization_incident", ["organization_id", "incident_id", "create_time", "id"], unique=False
        )

    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("correlation_key", sa.Text(), nullable=True),
        sa.Column("primary_service_node_id", sa.BigInteger(), nullable=True),
        sa.Column("primary_service_name", sa.Text(), nullable=True),
        sa.Column("primary_ci_node_id", sa.BigInteger(), nullable=True),
        sa.Column("primary_ci_name", sa.Text(), nullable=True),
        sa.Column("primary_metric_key", sa.Text(), nullable=True),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("newest_alert_id", sa.BigInteger(), nullable=False),
        sa.Column("newest_alert_time", sa.BigInteger(), nullable=False),
        sa.Column("alert_count", sa.BigInteger(), nullable=False),
        sa.Column("active_alert_count", sa.BigInteger(), nullable=False),
        sa.Column("violation_count", sa.BigInteger(), nullable=False),
        sa.Column("acknowledge_time", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by_user_name", sa.Text(), nullable=True),
        sa.Column("acknowledge_note", sa.Text(), nullable=True),
        sa.Column("resolve_time", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by_user_name", sa.Text(), nullable=True),
        sa.Column("resolve_note", sa.Text(), nullable=True),
        sa.Column("resolution_classification", sa.String(length=20), nullable=True),
        sa.Column("active_alert_count_at_resolution", sa.BigInteger(), nullable=True),
        sa.Column("reopen_count", sa.Integer(), nullable=False),
        sa.Column("last_reopen_time", sa.BigInteger(), nullable=True),
        sa.Column("reopen_reason", sa.Text(), nullable=True),
        sa.Column("follow_up_of_incident_id", sa.BigInteger(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.create_index("ix_incidents_organization_ci", ["organization_id", "primary_ci_node_id", "start_time", "id"], unique=False)
        batch_op.create_index("ix_incidents_organization_key", ["organization_id", "correlation_key", "state"], unique=False)
        batch_op.create_index(
            "ix_incidents_organization_service", ["organization_id", "primary_service_node_id", "start_time", "id"], unique=False
        )
        batch_op.create_index("ix_incidents_organization_severity", ["organization_id", "severity", "start_time", "id"], unique=False)
        batch_op.create_index("ix_incidents_organization_start", ["organization_id", "start_time", "id"], unique=False)
        batch_op.create_index("ix_incidents_organization_state", ["organization_id", "state", "start_time", "id"], unique=False)
        batch_op.create_index("uq_incidents_organization_number", ["organization_id", "number"], unique=True)

    op.create_table(
        "login_sessions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("user_agent", sa.String(length=256), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_sessions")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("login_sessions", schema=None) as batch_op:
        batch_op.create_index("ix_login_sessions_organization_id_expire_time", ["organization_id", "expire_time"], unique=False)
        batch_op.create_index("ix_login_sessions_organization_id_user_id", ["organization_id", "user_id"], unique=False)

    op.create_table(
        "login_tokens",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("use", sa.String(length=10), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.Column("exchange_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_login_tokens")),
    )
    with op.batch_alter_table("login_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_login_tokens_organization_id_expire_time", ["organization_id", "expire_time"], unique=False)

    op.create_table(
        "metrics",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("metric_key", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.Column("display_name", sa.String(length=255), nullable=False),
        sa.Column("sort_name", sa.String(length=255).with_variant(sa.VARCHAR(length=255, collation="C"), "postgresql"), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("metric_type", sa.String(length=20), nullable=False),
        sa.Column("namespace", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=128), nullable=False),
        sa.Column("management_mode", sa.String(length=40), nullable=False),
        sa.Column("catalog_source", sa.String(length=40), nullable=False),
        sa.Column("multidimensional", sa.Boolean(), nullable=False),
        sa.Column("dimension_keys", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("data_status", sa.String(length=20), nullable=False),
        sa.Column("sync_status", sa.String(length=20), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("last_sync_time", sa.BigInteger(), nullable=True),
        sa.Column("last_ingest_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metrics")),
        sa.UniqueConstraint("organization_id", "metric_key", name=op.f("uq_metrics_organization_id_metric_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("metrics", schema=None) as batch_op:
        batch_op.create_index("ix_metrics_organization_sort_name", ["organization_id", "sort_name", "metric_key"], unique=False)

    op.create_table(
        "organizations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("name_key", name=op.f("uq_organizations_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "point_segments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("metric_id", sa.BigInteger(), nullable=False),
        sa.Column("resolution", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("point_count", sa.Integer(), nullable=False),
        sa.Column("byte_count", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_point_segments")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("point_segments", schema=None) as batch_op:
        batch_op.create_index(
            "ix_point_segments_organization_day",
            ["organization_id", "resolution", "day", "metric_id", "level", "point_count", "byte_count"],
            unique=False,
        )
        batch_op.create_index("ix_point_segments_organization_metric", ["organization_id", "metric_id", "day", "end_ms"], unique=False)

    op.create_table(
        "revisions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("entity_type", sa.String(length=60), nullable=False),
        sa.Column("entity_id", sa.String(length=300), nullable=False),
        sa.Column("operation", sa.String(length=10), nullable=False),
        sa.Column("before_json", sa.Text(), nullable=True),
        sa.Column("after_json", sa.Text(), nullable=True),
        sa.Column("actor_user_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_name", sa.String(length=100), nullable=True),
        sa.Column("correlation_id", sa.String(length=128), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revisions")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("revisions", schema=None) as batch_op:
        batch_op.create_index("ix_revisions_organization_id_entity", ["organization_id", "entity_type", "entity_id", "id"], unique=False)

    op.create_table(
        "roles",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("name_key", sa.String(length=128), nullable=False),
        sa.Column("is_built_in", sa.Boolean(), nullable=False),
        sa.Column("permissions", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("organization_id", "name_key", name=op.f("uq_roles_organization_id_name_key")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rule_levels",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_levels")),
        sa.UniqueConstraint("organization_id", "rule_id", "severity", name=op.f("uq_rule_levels_organization_id_rule_id_severity")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("counting_epoch", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sa.UniqueConstraint("organization_id", "name_key", name=op.f("uq_rules_organization_id_name_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("rules", schema=None) as batch_op:
        batch_op.create_index("ix_rules_organization_create", ["organization_id", "create_time", "id"], unique=False)
        batch_op.create_index("ix_rules_organization_status", ["organization_id", "status", "create_time", "id"], unique=False)

    op.create_table(
        "series",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("metric_id", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.LargeBinary(length=16), nullable=False),
        sa.Column("labels", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint("organization_id", "identity", name=op.f("uq_series_organization_id_identity")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.create_index("ix_series_organization_metric", ["organization_id", "metric_id"], unique=False)

    op.create_table(
        "series_newest",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("page", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "partition", "page", name=op.f("pk_series_newest")),
    )
    op.create_table(
        "system_alerts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("subject_type", sa.String(length=60), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("first_seen_time", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_time", sa.BigInteger(), nullable=False),
        sa.Column("close_time", sa.BigInteger(), nullable=True),
        sa.Column("occurrence_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_system_alerts")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("system_alerts", schema=None) as batch_op:
        batch_op.create_index("ix_system_alerts_organization_first_seen", ["organization_id", "first_seen_time", "id"], unique=False)
        batch_op.create_index("ix_system_alerts_organization_state", ["organization_id", "state", "first_seen_time", "id"], unique=False)
        batch_op.create_index(
            "uq_system_alerts_open",
            ["organization_id", "code", "subject_type", "subject_id"],
            unique=True,
            sqlite_where=sa.text("state = 'Open'"),
            postgresql_where=sa.text("state = 'Open'"),
        )

    op.create_table(
        "user_roles",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("role_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "user_id", "role_id", name=op.f("pk_user_roles")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("display_name", sa.String(length=100), nullable=True),
        sa.Column("auth_provider_type", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("last_login_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name_key", name=op.f("uq_users_name_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index("ix_users_organization_id_name_key", ["organization_id", "name_key"], unique=False)

    op.create_table(
        "violations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), nullable=True),
        sa.Column("rule_epoch", sa.Integer(), nullable=False),
        sa.Column("rule_name", sa.Text(), nullable=True),
        sa.Column("metric_key", sa.Text(), nullable=False),
        sa.Column("metric_display_name", sa.Text(), nullable=False),
        sa.Column("dimension_key", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("actual_value", sa.Float(), nullable=False),
        sa.Column("expected_value", sa.Float(), nullable=True),
        sa.Column("lower_threshold", sa.Float(), nullable=True),
        sa.Column("upper_threshold", sa.Float(), nullable=True),
        sa.Column("direction", sa.String(length=10), nullable=False),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("alert_level_id", sa.BigInteger(), nullable=True),
        sa.Column("deviation_percent", sa.Float(), nullable=True),
        sa.Column("baseline_confidence", sa.String(length=10), nullable=True),
        sa.Column("detect_time", sa.BigInteger(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_violations")),
        sa.UniqueConstraint("organization_id", "rule_id", "time", "dimension_key", name="uq_violations_point"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("violations", schema=None) as batch_op:
        batch_op.create_index("ix_violations_organization_alert", ["organization_id", "alert_id", "time", "id"], unique=False)
        batch_op.create_index("ix_violations_organization_metric", ["organization_id", "metric_key", "time", "id"], unique=False)
        batch_op.create_index("ix_violations_organization_time", ["organization_id", "time", "id"], unique=False)

    op.create_table(
        "work_heads",
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "queue", name=op.f("pk_work_heads")),
    )
    op.create_table(
        "work_items",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_items")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("work_items", schema=None) as batch_op:
        batch_op.create_index("ix_work_items_organization_queue", ["organization_id", "queue", "id"], unique=False)

    op.create_table(
        "write_probes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("probe_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_write_probes")),
    )
