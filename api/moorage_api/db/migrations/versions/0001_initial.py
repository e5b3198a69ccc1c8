"""Subjects, sessions, memberships and API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _subjects()
    _sessions()
    _memberships()
    _api_keys()


def _subjects() -> None:
    op.create_table(
        "subjects",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("platform_role", sa.String(16), nullable=False),
        sa.Column("password_hash", sa.String(256)),
        sa.Column("password_origin", sa.String(16)),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("disabled_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_subjects"),
        sa.UniqueConstraint("kind", "name", name="uq_subjects_kind_name"),
        sa.CheckConstraint("name = lower(name)", name="ck_subjects_name_lower"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("subject_id", sa.String(36), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_sessions_subject_id"),
    )
    op.create_index("ix_sessions_subject_id", "sessions", ["subject_id"])


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.String(36), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subject_id", name="pk_memberships"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_memberships_subject_id"),
    )
    op.create_index("ix_memberships_subject_id", "memberships", ["subject_id"])


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("prefix", sa.String(8), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("subject_id", sa.String(36), nullable=False),
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("tenant_name", sa.String(63), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.PrimaryKeyConstraint("prefix", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["subject_id"], ["subjects.id"], name="fk_api_keys_subject_id"),
    )
    op.create_index("ix_api_keys_subject_id", "api_keys", ["subject_id"])
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant_id"])
