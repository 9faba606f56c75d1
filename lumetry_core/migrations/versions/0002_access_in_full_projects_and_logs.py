"""Access in full, projects and logs."""

import re
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Goes forward; there is no way back."""
    op.create_table(
        "log_blocks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("first_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("level_mask", sa.Integer(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("byte_count", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.LargeBinary(), nullable=False),
        sa.Column("last_id", sa.LargeBinary(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_blocks")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("log_blocks", schema=None) as batch_op:
        batch_op.create_index("ix_log_blocks_organization_first", ["organization_id", "first_ns", "last_ns", "level_mask"], unique=False)
        batch_op.create_index("ix_log_blocks_organization_id_range", ["organization_id", "last_id", "first_id"], unique=False)
        batch_op.create_index("ix_log_blocks_organization_last", ["organization_id", "last_ns", "first_ns", "level_mask"], unique=False)
        batch_op.create_index(
            "ix_log_blocks_organization_level",
            ["organization_id", "level", "project_id", "day", "entry_count", "create_time"],
            unique=False,
        )

    op.create_table(
        "log_keys",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("name_key", sa.String(length=240), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("environment", sa.String(length=20), nullable=False),
        sa.Column("access", sa.String(length=10), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_log_keys_digest")),
        sa.UniqueConstraint("organization_id", "key_id", name=op.f("uq_log_keys_organization_id_key_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("log_keys", schema=None) as batch_op:
        batch_op.create_index(
            "uq_log_keys_organization_id_name_key",
            ["organization_id", "name_key"],
            unique=True,
            sqlite_where=sa.text("revoke_time IS NULL"),
            postgresql_where=sa.text("revoke_time IS NULL"),
        )

    op.create_table(
        "log_receipts",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("processed_count", sa.Integer(), nullable=False),
        sa.Column("bytes_used", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "digest", name=op.f("pk_log_receipts")),
    )
    with op.batch_alter_table("log_receipts", schema=None) as batch_op:
        batch_op.create_index("ix_log_receipts_organization_expire", ["organization_id", "expire_time"], unique=False)

    op.create_table(
        "oidc_identities",
        sa.Column("identity_digest", sa.LargeBinary(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("identity_digest", name=op.f("pk_oidc_identities")),
        sa.UniqueConstraint("organization_id", "user_id", name=op.f("uq_oidc_identities_organization_id_user_id")),
    )
    op.create_table(
        "oidc_logins",
        sa.Column("state_digest", sa.LargeBinary(), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("redirect_url", sa.Text(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state_digest", name=op.f("pk_oidc_logins")),
    )
    with op.batch_alter_table("oidc_logins", schema=None) as batch_op:
        batch_op.create_index("ix_oidc_logins_organization_id_expire_time", ["organization_id", "expire_time"], unique=False)

    op.create_table(
        "projects",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("emoji", sa.String(length=16), nullable=True),
        sa.Column("visibility", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("earlier_updates", sa.Text(), nullable=False),
        sa.Column("delete_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_projects")),
    )
    with op.batch_alter_table("projects", schema=None) as batch_op:
        batch_op.create_index("ix_projects_organization_update", ["organization_id", "update_time", "id"], unique=False)
        batch_op.create_index(
            "uq_projects_organization_slug",
            ["organization_id", "slug"],
            unique=True,
            sqlite_where=sa.text("delete_time IS NULL"),
            postgresql_where=sa.text("delete_time IS NULL"),
        )

    op.create_table(
        "rate_buckets",
        sa.Column("organization_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("full_ns", sa.BigInteger(), nullable=False),
        sa.Column("lent", sa.BigInteger(), nullable=False),
        sa.Column("capacity", sa.BigInteger(), nullable=False),
        sa.Column("interval_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "scope", name=op.f("pk_rate_buckets")),
    )
    op.create_table(
        "source_credentials",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_credentials")),
        sa.UniqueConstraint("digest", name=op.f("uq_source_credentials_digest")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("source_credentials", schema=None) as batch_op:
        batch_op.create_index("ix_source_credentials_organization_id_source_id", ["organization_id", "source_id"], unique=False)

    op.create_table(
        "workspace_keys",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("last_used_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspace_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_workspace_keys_digest")),
        sa.UniqueConstraint("organization_id", "key_id", name=op.f("uq_workspace_keys_organization_id_key_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("workspace_keys", schema=None) as batch_op:
        batch_op.create_index("ix_workspace_keys_organization_id_user_id", ["organization_id", "user_id"], unique=False)

    with op.batch_alter_table("audit_logs", schema=None) as batch_op:
        batch_op.create_index("ix_audit_logs_organization_id_action", ["organization_id", "action", "create_time", "id"], unique=False)
        batch_op.create_index(
            "ix_audit_logs_organization_id_actor_user_id", ["organization_id", "actor_user_id", "create_time", "id"], unique=False
        )
        batch_op.create_index(
            "ix_audit_logs_organization_id_entity_type", ["organization_id", "entity_type", "create_time", "id"], unique=False
        )
        batch_op.create_index(
            "ix_audit_logs_organization_id_search",
            ["organization_id", "create_time", "id", "action", "entity_type", "entity_id", "actor_name"],
            unique=False,
        )

    with op.batch_alter_table("organizations", schema=None, table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.add_column(sa.Column("slug", sa.String(length=128), nullable=True))
    give_slugs()
    with op.batch_alter_table("organizations", schema=None, table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.alter_column("slug", existing_type=sa.String(length=128), nullable=False)
        batch_op.create_unique_constraint(batch_op.f("uq_organizations_slug"), ["slug"])

    with op.batch_alter_table("revisions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_revisions_organization_id_entity"))
        batch_op.create_index(
            "ix_revisions_organization_id_entity", ["organization_id", "entity_type", "entity_id", "create_time", "id"], unique=False
        )

    with op.batch_alter_table("roles", schema=None, table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.add_column(sa.Column("description", sa.String(length=500), nullable=True))
        batch_op.add_column(sa.Column("update_time", sa.BigInteger(), nullable=True))
    op.execute("UPDATE roles SET update_time = create_time")
    with op.batch_alter_table("roles", schema=None, table_kwargs={"sqlite_autoincrement": True}) as batch_op:
        batch_op.alter_column("update_time", existing_type=sa.BigInteger(), nullable=False)

    with op.batch_alter_table("user_roles", schema=None) as batch_op:
        batch_op.create_index("ix_user_roles_organization_id_role_id", ["organization_id", "role_id"], unique=False)


def give_slugs() -> None:
    """Gives each organization the address that its name makes; of equal ones the later get a number."""
    organizations = sa.table("organizations", sa.column("id", sa.BigInteger), sa.column("name", sa.String), sa.column("slug", sa.String))
    connection = op.get_bind()
    taken: set[str] = set()
    for row in connection.execute(sa.select(organizations.c.id, organizations.c.name).order_by(organizations.c.id)).all():
        plain = unicodedata.normalize("NFKD", row.name.lower()).encode("ascii", "ignore").decode()
        base = slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].rstrip("-") or "organization"
        number = 1
        while slug in taken:
            number += 1
            slug = f"{base}-{number}"
        taken.add(slug)
        connection.execute(organizations.update().where(organizations.c.id == row.id).values(slug=slug))
