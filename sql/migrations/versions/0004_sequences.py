"""Contacts enrolled without a cart, what is known of them, segments, holdouts, alerts, and pages of Notion."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STATUS = "status IN ('live', 'suspended', 'finished', 'cancelled', 'holdout')"
_OLD_COLUMNS = "id, sequence, cart_id, contact_id, store, status, reason, is_test, enrolled_at, resumed_at, ended_at"


def upgrade() -> None:
    for name, length in (("first_name", 200), ("business_name", 200), ("locale", 35), ("timezone", 64)):
        op.add_column("contacts", sa.Column(name, sa.String(length=length), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("attributes", sa.Text(), server_default="", nullable=False))
    op.add_column("contacts", sa.Column("listed_at", sa.BigInteger(), nullable=True))
    op.add_column("messages", sa.Column("first_sent_at", sa.BigInteger(), nullable=True))
    op.execute("UPDATE messages SET first_sent_at = sent_at WHERE state IN ('scheduled', 'claimed', 'sending')")
    if op.get_bind().dialect.name == "sqlite":
        _enrollments_anew()
    else:
        op.add_column("enrollments", sa.Column("segment", sa.String(length=60), server_default="", nullable=False))
        op.add_column("enrollments", sa.Column("arm", sa.String(length=10), server_default="", nullable=False))
        op.add_column("enrollments", sa.Column("began_at", sa.BigInteger(), nullable=True))
        op.alter_column("enrollments", "cart_id", nullable=True)
        op.drop_constraint(op.f("ck_enrollments_status"), "enrollments")
        op.create_check_constraint(op.f("ck_enrollments_status"), "enrollments", _STATUS)
    once = "cart_id IS NULL AND NOT is_test"
    _partial_index("uq_enrollments_contact", "enrollments", ["sequence", "contact_id"], once, unique=True)
    _partial_index("ix_enrollments_arm", "enrollments", ["sequence", "contact_id"], "arm <> ''")
    _partial_index("ix_enrollments_test", "enrollments", ["cart_id"], "is_test")
    op.create_table(
        "alerts",
        sa.Column("enrollment_id", _ID, nullable=False),
        sa.Column("segment", sa.String(length=60), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["enrollment_id"], ["enrollments.id"], name=op.f("fk_alerts_enrollment_id")),
        sa.PrimaryKeyConstraint("enrollment_id", "segment", name=op.f("pk_alerts")),
        comment="who is to be told that a contact has entered a segment: once",
    )
    _partial_index("ix_alerts_attempt", "alerts", ["attempt_at"], "done_at IS NULL")
    op.create_table(
        "mirrored",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("page_id", sa.String(length=60), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_mirrored")),
        comment="which page of Notion shows which contact, message or template, and what was last written there",
    )


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _enrollments_anew() -> None:
    """SQLite changes neither a column nor a condition in place: a new table takes the name of the old one."""
    op.create_table(
        "enrollments_new",
        sa.Column("id", _ID, nullable=False),
        sa.Column("sequence", sa.String(length=60), nullable=False),
        sa.Column("cart_id", _ID, nullable=True),
        sa.Column("contact_id", _ID, nullable=False),
        sa.Column("store", sa.String(length=60), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=40), server_default="", nullable=False),
        sa.Column("segment", sa.String(length=60), server_default="", nullable=False),
        sa.Column("arm", sa.String(length=10), server_default="", nullable=False),
        sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=True),
        sa.Column("resumed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name=op.f("fk_enrollments_cart_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_enrollments_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollments")),
        sa.UniqueConstraint("sequence", "cart_id", name=op.f("uq_enrollments_sequence_cart_id")),
        sa.CheckConstraint(_STATUS, name=op.f("ck_enrollments_status")),
    )
    op.execute(f"INSERT INTO enrollments_new ({_OLD_COLUMNS}) SELECT {_OLD_COLUMNS} FROM enrollments")
    op.drop_table("enrollments")
    op.rename_table("enrollments_new", "enrollments")
    op.create_index("ix_enrollments_cart", "enrollments", ["cart_id"])
    op.create_index("ix_enrollments_contact", "enrollments", ["contact_id"])
    one_live = ["contact_id", "store", "sequence"]
    _partial_index("uq_enrollments_one_live", "enrollments", one_live, "status = 'live'", unique=True)
