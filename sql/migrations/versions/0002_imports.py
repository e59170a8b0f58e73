"""Provider events, unique coupon codes, orders whose total is not known yet, and indexes that hold no blanks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("orders", sa.Column("total_given", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    _partial_index("ix_orders_untold", "orders", ["store", "cart_ref"], "NOT total_given")
    for name, column in (("order", "order_id"), ("first_abandoned", "first_abandoned_at")):
        op.drop_index(f"ix_carts_{name}", "carts")
        _partial_index(f"ix_carts_{name}", "carts", [column], f"{column} IS NOT NULL")
    for name, columns in (("lease", ["lease_until"]), ("reached", ["contact_id", "sent_at"])):
        op.drop_index(f"ix_messages_{name}", "messages")
        _partial_index(f"ix_messages_{name}", "messages", columns, f"{columns[-1]} IS NOT NULL")
    _partial_index("ix_messages_receipt", "messages", ["receipt"], "receipt <> ''")
    op.create_table(
        "cart_aliases",
        sa.Column("cart_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name=op.f("fk_cart_aliases_cart_id")),
        sa.PrimaryKeyConstraint("cart_id", "kind", "value", name=op.f("pk_cart_aliases")),
        comment="contact_id, phone and tokens that other sightings of a cart showed: a purchase with one closes it",
    )
    op.create_index("ix_cart_aliases_value", "cart_aliases", ["value", "kind"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("store", sa.String(length=60), server_default="", nullable=False),
        sa.Column("subject", sa.String(length=200), server_default="", nullable=False),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_events_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_events_content_hash")),
        comment="what a provider or the shopper did later; no address in it",
    )
    _partial_index("ix_events_message", "events", ["message_id"], "message_id IS NOT NULL")
    op.create_table(
        "coupons",
        sa.Column("id", _ID, nullable=False),
        sa.Column("coupon", sa.String(length=60), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("message_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_coupons_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupons")),
        sa.UniqueConstraint("coupon", "code", name=op.f("uq_coupons_coupon_code")),
    )
    _partial_index("uq_coupons_message", "coupons", ["message_id"], "message_id IS NOT NULL", unique=True)
    _partial_index("ix_coupons_free", "coupons", ["coupon", "expires_at"], "message_id IS NULL")
    if op.get_bind().dialect.name == "sqlite":
        _items_without_row_ids()


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _items_without_row_ids() -> None:
    """On SQLite a table without row ids is its own index: half the writing, half the size."""
    op.create_table(
        "cart_items_new",
        sa.Column("cart_id", _ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.String(length=200), server_default="", nullable=False),
        sa.Column("sku", sa.String(length=200), server_default="", nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), server_default="", nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=True),
        sa.Column("image_url", sa.Text(), server_default="", nullable=False),
        sa.Column("product_url", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_cart_items_quantity")),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name=op.f("fk_cart_items_cart_id")),
        sa.PrimaryKeyConstraint("cart_id", "position", name=op.f("pk_cart_items")),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO cart_items_new SELECT * FROM cart_items ORDER BY cart_id, position")
    op.drop_table("cart_items")
    op.rename_table("cart_items_new", "cart_items")
