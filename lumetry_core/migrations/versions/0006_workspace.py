"""Logs and workspace complete."""

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Goes forward; there is no way back."""
    op.create_table(
        "activity_blocks",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("newest_time", sa.BigInteger(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.Column("runs", sa.LargeBinary(), nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "number", name=op.f("pk_activity_blocks")),
    )
    op.create_table(
        "activity_heads",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("packed_blocks", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_activity_heads")),
    )
    op.create_table(
        "activity_items",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("action", sa.String(length=30), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("summary", sa.String(length=1000), nullable=True),
        sa.Column("severity", sa.String(length=10), nullable=True),
        sa.Column("actor_type", sa.String(length=10), nullable=False),
        sa.Column("actor_id", sa.String(length=40), nullable=True),
        sa.Column("actor_name", sa.String(length=300), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("project_ids", sa.Text(), nullable=True),
        sa.Column("machine", sa.String(length=300), nullable=True),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.Column("resource_type", sa.String(length=40), nullable=True),
        sa.Column("resource_id", sa.String(length=300), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_activity_items")),
    )
    op.create_table(
        "agents",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("avatar", sa.String(length=64), nullable=True),
        sa.Column("model", sa.String(length=128), nullable=True),
        sa.Column("system_prompt", sa.Text(), nullable=True),
        sa.Column("allowed_tools", sa.Text(), nullable=False),
        sa.Column("allowed_peers", sa.Text(), nullable=False),
        sa.Column("allowed_connectors", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("last_message_time", sa.BigInteger(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("earlier_updates", sa.Text(), nullable=False),
        sa.Column("delete_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_agents")),
    )
    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.create_index("ix_agents_organization_update", ["organization_id", "update_time", "id"], unique=False)
        batch_op.create_index(
            "uq_agents_organization_slug",
            ["organization_id", "slug"],
            unique=True,
            sqlite_where=sa.text("delete_time IS NULL"),
            postgresql_where=sa.text("delete_time IS NULL"),
        )

    op.create_table(
        "budget_marks",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("budget_id", sa.String(length=36), nullable=False),
        sa.Column("period_time", sa.BigInteger(), nullable=False),
        sa.Column("percent", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "budget_id", "period_time", "percent", name=op.f("pk_budget_marks")),
    )
    with op.batch_alter_table("budget_marks", schema=None) as batch_op:
        batch_op.create_index("ix_budget_marks_organization_create", ["organization_id", "create_time"], unique=False)

    op.create_table(
        "budgets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("budget_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("meter", sa.String(length=30), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("limit_quantity", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("thresholds", sa.String(length=40), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint("organization_id", "budget_id", name="uq_budgets_organization_id_budget_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "files",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("session_id", sa.String(length=36), nullable=True),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("trash_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_files")),
    )
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.create_index("ix_files_organization_create", ["organization_id", "create_time", "id"], unique=False)
        batch_op.create_index("ix_files_organization_incident", ["organization_id", "incident_id"], unique=False)
        batch_op.create_index("ix_files_organization_parent", ["organization_id", "parent_id"], unique=False)
        batch_op.create_index("ix_files_organization_project", ["organization_id", "project_id"], unique=False)
        batch_op.create_index("ix_files_organization_session", ["organization_id", "session_id"], unique=False)
        batch_op.create_index("ix_files_organization_trash", ["organization_id", "trash_time"], unique=False)

    op.create_table(
        "inquiries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("inquiry_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("company", sa.String(length=200), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("job_title", sa.String(length=120), nullable=False),
        sa.Column("phone", sa.String(length=40), nullable=False),
        sa.Column("country", sa.String(length=80), nullable=False),
        sa.Column("company_size", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("user_agent", sa.String(length=256), nullable=True),
        sa.Column("receive_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inquiries")),
        sa.UniqueConstraint("organization_id", "inquiry_id", name="uq_inquiries_organization_id_inquiry_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("inquiries", schema=None) as batch_op:
        batch_op.create_index("ix_inquiries_organization_receive_time", ["organization_id", "receive_time"], unique=False)

    op.create_table(
        "ledger_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("meter", sa.String(length=30), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("microunits", sa.BigInteger(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("organization_id", "hour", "meter", "project_id", name="uq_ledger_entries_organization_id_hour"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("ledger_entries", schema=None) as batch_op:
        batch_op.create_index("ix_ledger_entries_organization_hour", ["organization_id", "hour", "id"], unique=False)

    op.create_table(
        "log_alert_rules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("severity", sa.String(length=20), nullable=False),
        sa.Column("count_threshold", sa.Integer(), nullable=True),
        sa.Column("time_window_minutes", sa.Integer(), nullable=True),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("trigger", sa.String(length=20), nullable=False),
        sa.Column("min_level", sa.String(length=20), nullable=False),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("q", sa.Text(), nullable=True),
        sa.Column("quiet_minutes", sa.Integer(), nullable=True),
        sa.Column("topology_node_id", sa.BigInteger(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_alert_rules")),
        sa.UniqueConstraint("organization_id", "name_key", name=op.f("uq_log_alert_rules_organization_id_name_key")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("log_alert_rules", schema=None) as batch_op:
        batch_op.create_index("ix_log_alert_rules_organization_enabled", ["organization_id", "enabled", "id"], unique=False)

    op.create_table(
        "log_filters",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slice", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "slice", "block_id", name=op.f("pk_log_filters")),
    )
    op.create_table(
        "log_group_alerts",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alert_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "group_id", "alert_id", name=op.f("pk_log_group_alerts")),
    )
    with op.batch_alter_table("log_group_alerts", schema=None) as batch_op:
        batch_op.create_index("ix_log_group_alerts_organization_alert", ["organization_id", "alert_id"], unique=False)

    op.create_table(
        "log_group_hours",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "group_id", "hour", "level", name=op.f("pk_log_group_hours")),
    )
    with op.batch_alter_table("log_group_hours", schema=None) as batch_op:
        batch_op.create_index("ix_log_group_hours_organization_hour", ["organization_id", "hour", "group_id"], unique=False)

    op.create_table(
        "log_groups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("culprit", sa.Text(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
        sa.Column("environments", sa.Text(), nullable=False),
        sa.Column("trace_ids", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_time", sa.BigInteger(), nullable=False),
        sa.Column("last_time", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("is_regressed", sa.Boolean(), nullable=False),
        sa.Column("resolve_time", sa.BigInteger(), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("ignore_until", sa.BigInteger(), nullable=True),
        sa.Column("ignore_count", sa.BigInteger(), nullable=True),
        sa.Column("ignore_end_count", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_groups")),
        sa.UniqueConstraint("organization_id", "project_id", "fingerprint", name="uq_log_groups_organization_id_fingerprint"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("log_groups", schema=None) as batch_op:
        batch_op.create_index("ix_log_groups_organization_count", ["organization_id", "count", "id"], unique=False)
        batch_op.create_index("ix_log_groups_organization_first", ["organization_id", "first_time", "id"], unique=False)
        batch_op.create_index("ix_log_groups_organization_last", ["organization_id", "last_time", "id"], unique=False)

    op.create_table(
        "log_rule_states",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rule_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("times", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.Column("group_ids", sa.LargeBinary(), nullable=False),
        sa.Column("last_match_time", sa.BigInteger(), nullable=True),
        sa.Column("due_time", sa.BigInteger(), nullable=True),
        sa.Column("last_fire_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "rule_id", name=op.f("pk_log_rule_states")),
    )
    with op.batch_alter_table("log_rule_states", schema=None) as batch_op:
        batch_op.create_index("ix_log_rule_states_due", ["due_time"], unique=False)

    op.create_table(
        "log_usage_hours",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("accepted_requests", sa.BigInteger(), nullable=False),
        sa.Column("rejected_requests", sa.BigInteger(), nullable=False),
        sa.Column("rate_limited_requests", sa.BigInteger(), nullable=False),
        sa.Column("quota_refused_requests", sa.BigInteger(), nullable=False),
        sa.Column("bytes_used", sa.BigInteger(), nullable=False),
        sa.Column("debug_count", sa.BigInteger(), nullable=False),
        sa.Column("info_count", sa.BigInteger(), nullable=False),
        sa.Column("warn_count", sa.BigInteger(), nullable=False),
        sa.Column("error_count", sa.BigInteger(), nullable=False),
        sa.Column("fatal_count", sa.BigInteger(), nullable=False),
        sa.Column("panic_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "hour", "project_id", name=op.f("pk_log_usage_hours")),
    )
    op.create_table(
        "meter_rates",
        sa.Column("meter", sa.String(length=30), nullable=False),
        sa.Column("microunits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("meter", name=op.f("pk_meter_rates")),
    )
    op.create_table(
        "metric_hosts",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("os", sa.Text(), nullable=False),
        sa.Column("arch", sa.Text(), nullable=False),
        sa.Column("collector_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "host_id", name=op.f("pk_metric_hosts")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("body", sa.String(length=2000), nullable=False),
        sa.Column("resource_type", sa.String(length=40), nullable=True),
        sa.Column("resource_id", sa.String(length=300), nullable=True),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("link", sa.String(length=500), nullable=True),
        sa.Column("read_time", sa.BigInteger(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("organization_id", "notice_id", name="uq_notices_organization_id_notice_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("notices", schema=None) as batch_op:
        batch_op.create_index("ix_notices_organization_create_time", ["organization_id", "create_time"], unique=False)
        batch_op.create_index("ix_notices_organization_user", ["organization_id", "user_id", "id"], unique=False)
        batch_op.create_index(
            "ix_notices_unread",
            ["organization_id", "user_id", "id"],
            unique=False,
            sqlite_where=sa.text("read_time IS NULL"),
            postgresql_where=sa.text("read_time IS NULL"),
        )

    op.create_table(
        "project_links",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("ref", sa.String(length=300), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "project_id", "type", "ref", name=op.f("pk_project_links")),
    )
    with op.batch_alter_table("project_links", schema=None) as batch_op:
        batch_op.create_index("ix_project_links_organization_ref", ["organization_id", "type", "ref"], unique=False)

    op.create_table(
        "session_messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("author_user_id", sa.BigInteger(), nullable=True),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("author_name", sa.String(length=255), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("attachments", sa.Text(), nullable=False),
        sa.Column("references", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_messages")),
        sa.UniqueConstraint("organization_id", "message_id", name="uq_session_messages_organization_id_message_id"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("session_messages", schema=None) as batch_op:
        batch_op.create_index("ix_session_messages_organization_agent", ["organization_id", "agent_id", "id"], unique=False)
        batch_op.create_index("ix_session_messages_organization_session", ["organization_id", "session_id", "id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("incident_id", sa.BigInteger(), nullable=True),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("message_count", sa.BigInteger(), nullable=False),
        sa.Column("last_message_time", sa.BigInteger(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("edits", sa.Text(), nullable=False),
        sa.Column("delete_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_organization_agent", ["organization_id", "agent_id", "update_time"], unique=False)
        batch_op.create_index("ix_sessions_organization_incident", ["organization_id", "incident_id"], unique=False)
        batch_op.create_index("ix_sessions_organization_project", ["organization_id", "project_id", "update_time"], unique=False)
        batch_op.create_index("ix_sessions_organization_update", ["organization_id", "update_time", "id"], unique=False)

    op.create_table(
        "usage_hours",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("meter", sa.String(length=30), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("is_entered", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "meter", "hour", "project_id", name=op.f("pk_usage_hours")),
    )
    with op.batch_alter_table("usage_hours", schema=None) as batch_op:
        batch_op.create_index("ix_usage_hours_organization_entered", ["organization_id", "is_entered", "hour"], unique=False)

    op.create_table(
        "usage_levels",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("meter", sa.String(length=30), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "meter", "project_id", name=op.f("pk_usage_levels")),
    )
    op.create_table(
        "usage_minutes",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("meter", sa.String(length=30), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "meter", "slot", name=op.f("pk_usage_minutes")),
    )
    with op.batch_alter_table("collectors", schema=None) as batch_op:
        batch_op.add_column(sa.Column("offline_time", sa.BigInteger(), nullable=True))

    with op.batch_alter_table("heartbeat_pings", schema=None) as batch_op:
        batch_op.create_index("ix_heartbeat_pings_organization_time", ["organization_id", "time"], unique=False)

    op.drop_column("log_blocks", "words")  # not in a batch, which would copy all entries
    find_hosts()
    # Blocks that were large enough are merged once more, which gives them filters of the present kind.
    op.execute("UPDATE log_blocks SET level = 8 WHERE level = 9")


def find_hosts() -> None:
    """Notes the hosts that stored series name, as new series do from now on."""
    connection = op.get_bind()
    series = sa.table("series", *(sa.column(name) for name in ("id", "organization_id", "labels", "create_time")))
    hosts: dict[tuple[int, str], dict[str, object]] = {}
    for row in connection.execute(sa.select(series).order_by(series.c.id)):
        if b"host.id" not in row.labels:
            continue
        labels = msgspec.msgpack.decode(row.labels, type=dict[str, str])
        host_id = labels.get("host.id")
        if host_id:
            hosts[row.organization_id, host_id] = {
                "organization_id": row.organization_id,
                "host_id": host_id,
                "name": labels.get("host.name", ""),
                "os": labels.get("os.type", ""),
                "arch": labels.get("arch", ""),
                "collector_id": labels.get("collector.id", ""),
                "create_time": row.create_time,
            }
    if hosts:
        columns = ("organization_id", "host_id", "name", "os", "arch", "collector_id", "create_time")
        connection.execute(sa.insert(sa.table("metric_hosts", *map(sa.column, columns))), list(hosts.values()))
