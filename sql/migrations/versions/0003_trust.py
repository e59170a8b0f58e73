"""Brakes, order feeds, test mail, people forgotten and erased, the inputs of decisions, the web endpoint's intake."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# Which channels an import had brought was not written down: those that the store's orders show.
FEEDS = """
INSERT INTO feeds (store, channel, imported_at, newest_order_at)
SELECT known.store, known.channel, MAX(imports.at), MAX(known.newest)
FROM (SELECT store, channel, MAX(placed_at) AS newest FROM orders GROUP BY store, channel) AS known
JOIN imports ON imports.store = known.store AND (
  (known.channel = 'tiktok' AND imports.kind IN ('orders', 'tiktok'))
  OR (known.channel <> 'tiktok' AND imports.kind = 'orders' AND imports.format <> 'seller-center-orders'))
GROUP BY known.store, known.channel
"""


def upgrade() -> None:
    for table in ("enrollments", "messages"):
        op.add_column(table, sa.Column("is_test", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        op.create_index(f"ix_{table}_contact", table, ["contact_id"])
    op.create_index(
        "ix_messages_sent",
        "messages",
        ["sent_at"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NOT NULL"),
        postgresql_where=sa.text("sent_at IS NOT NULL"),
    )
    op.add_column("message_transitions", sa.Column("facts", sa.Text(), server_default="", nullable=False))
    op.add_column("events", sa.Column("scanner_score", sa.Integer(), nullable=True))
    for table in ("carts", "orders"):
        op.add_column(table, sa.Column("erased", sa.Boolean(), server_default=sa.text("false"), nullable=False))
        where = sa.text("erased")
        columns = ["store", "external_id"]
        op.create_index(f"ix_{table}_erased", table, columns, postgresql_where=where, sqlite_where=where)
    op.create_table(
        "brakes",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=130), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_brakes")),
        comment="what holds sending back now, and warnings; a row that is gone, or was released, has let go",
    )
    op.create_table(
        "feeds",
        sa.Column("store", sa.String(length=60), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("newest_order_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("store", "channel", name=op.f("pk_feeds")),
        comment="how fresh each feed of orders is",
    )
    op.execute(FEEDS)
    op.create_table(
        "forgotten",
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("email_hash", name=op.f("pk_forgotten")),
        comment="who asked to be erased: an import must not bring them back",
    )
    op.create_table(
        "intake",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("store", sa.String(length=60), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake")),
        comment="cart updates that the web endpoint took in, until the next run reads them",
    )
