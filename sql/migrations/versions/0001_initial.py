"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email_normalised", sa.String(length=320), nullable=False),
        sa.Column("consent", sa.String(length=8), server_default="unknown", nullable=False),
        sa.Column("consent_at", sa.BigInteger(), nullable=True),
        sa.Column("consent_source", sa.String(length=80), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("email_normalised", name=op.f("uq_contacts_email_normalised")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("store", sa.String(length=60), nullable=False),
        sa.Column("format", sa.String(length=40), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_identity", "imports", ["identity"], unique=False)
    op.create_table(
        "marks",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
        comment="facts about the database itself: rehearsal, signing and hashing keys",
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("job", sa.String(length=20), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("counts", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_started", "runs", ["job", "started_at"], unique=False)
    op.create_table(
        "suppressions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("email_hash", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=60), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("email_hash", "scope", name=op.f("uq_suppressions_email_hash_scope")),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("store", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("cart_ref", sa.String(length=200), server_default="", nullable=False),
        sa.Column("checkout_token", sa.String(length=200), server_default="", nullable=False),
        sa.Column("cart_token", sa.String(length=200), server_default="", nullable=False),
        sa.Column("status", sa.String(length=40), server_default="", nullable=False),
        sa.Column("is_purchase", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("coupon", sa.String(length=200), server_default="", nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_orders_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("store", "external_id", name=op.f("uq_orders_store_external_id")),
    )
    op.create_index(
        "ix_orders_cart_ref",
        "orders",
        ["cart_ref"],
        unique=False,
        sqlite_where=sa.text("cart_ref <> ''"),
        postgresql_where=sa.text("cart_ref <> ''"),
    )
    op.create_index(
        "ix_orders_cart_token",
        "orders",
        ["cart_token"],
        unique=False,
        sqlite_where=sa.text("cart_token <> ''"),
        postgresql_where=sa.text("cart_token <> ''"),
    )
    op.create_index(
        "ix_orders_checkout_token",
        "orders",
        ["checkout_token"],
        unique=False,
        sqlite_where=sa.text("checkout_token <> ''"),
        postgresql_where=sa.text("checkout_token <> ''"),
    )
    op.create_index("ix_orders_contact", "orders", ["contact_id"], unique=False)
    op.create_index(
        "ix_orders_phone",
        "orders",
        ["phone"],
        unique=False,
        sqlite_where=sa.text("phone <> ''"),
        postgresql_where=sa.text("phone <> ''"),
    )
    op.create_table(
        "carts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("store", sa.String(length=60), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("checkout_token", sa.String(length=200), server_default="", nullable=False),
        sa.Column("cart_token", sa.String(length=200), server_default="", nullable=False),
        sa.Column("first_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("last_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("locale", sa.String(length=35), server_default="", nullable=False),
        sa.Column("timezone", sa.String(length=64), server_default="", nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_given", sa.Boolean(), nullable=False),
        sa.Column("is_empty", sa.Boolean(), nullable=False),
        sa.Column("cart_url", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.Column("first_activity_at", sa.BigInteger(), nullable=False),
        sa.Column("last_activity_at", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("abandoned_at", sa.BigInteger(), nullable=True),
        sa.Column("first_abandoned_at", sa.BigInteger(), nullable=True),
        sa.Column("detected_at", sa.BigInteger(), nullable=True),
        sa.Column("awaits_enrollment", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("recovered_at", sa.BigInteger(), nullable=True),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("credited", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_carts_contact_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_carts_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carts")),
        sa.UniqueConstraint("store", "external_id", "generation", name=op.f("uq_carts_store_external_id_generation")),
    )
    op.create_index(
        "ix_carts_awaiting",
        "carts",
        ["id"],
        unique=False,
        sqlite_where=sa.text("awaits_enrollment"),
        postgresql_where=sa.text("awaits_enrollment"),
    )
    op.create_index(
        "ix_carts_cart_token",
        "carts",
        ["cart_token"],
        unique=False,
        sqlite_where=sa.text("cart_token <> ''"),
        postgresql_where=sa.text("cart_token <> ''"),
    )
    op.create_index(
        "ix_carts_checkout_token",
        "carts",
        ["checkout_token"],
        unique=False,
        sqlite_where=sa.text("checkout_token <> ''"),
        postgresql_where=sa.text("checkout_token <> ''"),
    )
    op.create_index("ix_carts_contact", "carts", ["contact_id"], unique=False)
    op.create_index("ix_carts_first_abandoned", "carts", ["first_abandoned_at"], unique=False)
    op.create_index(
        "ix_carts_idle",
        "carts",
        ["last_activity_at"],
        unique=False,
        sqlite_where=sa.text("status = 'active' AND NOT is_empty"),
        postgresql_where=sa.text("status = 'active' AND NOT is_empty"),
    )
    op.create_index("ix_carts_order", "carts", ["order_id"], unique=False)
    op.create_index(
        "ix_carts_phone",
        "carts",
        ["phone"],
        unique=False,
        sqlite_where=sa.text("phone <> ''"),
        postgresql_where=sa.text("phone <> ''"),
    )
    op.create_table(
        "cart_items",
        sa.Column("cart_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
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
    )
    op.create_table(
        "enrollments",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sequence", sa.String(length=60), nullable=False),
        sa.Column("cart_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("store", sa.String(length=60), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=40), server_default="", nullable=False),
        sa.Column("enrolled_at", sa.BigInteger(), nullable=False),
        sa.Column("resumed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status IN ('live', 'suspended', 'finished', 'cancelled')", name=op.f("ck_enrollments_status")
        ),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name=op.f("fk_enrollments_cart_id")),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_enrollments_contact_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrollments")),
        sa.UniqueConstraint("sequence", "cart_id", name=op.f("uq_enrollments_sequence_cart_id")),
    )
    op.create_index("ix_enrollments_cart", "enrollments", ["cart_id"], unique=False)
    op.create_index(
        "uq_enrollments_one_live",
        "enrollments",
        ["contact_id", "store", "sequence"],
        unique=True,
        sqlite_where=sa.text("status = 'live'"),
        postgresql_where=sa.text("status = 'live'"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_token", sa.String(length=32), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("transport", sa.String(length=20), server_default="", nullable=False),
        sa.Column("delivers", sa.Boolean(), server_default=sa.text("(false)"), nullable=False),
        sa.Column("receipt", sa.String(length=200), server_default="", nullable=False),
        sa.Column("coupon", sa.String(length=100), server_default="", nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_messages_contact_id")),
        sa.ForeignKeyConstraint(["enrollment_id"], ["enrollments.id"], name=op.f("fk_messages_enrollment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("enrollment_id", "step", name=op.f("uq_messages_enrollment_id_step")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_messages_attempt",
        "messages",
        ["attempt_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'scheduled'"),
        postgresql_where=sa.text("state = 'scheduled'"),
    )
    op.create_index(
        "ix_messages_lease",
        "messages",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("state IN ('claimed', 'sending')"),
        postgresql_where=sa.text("state IN ('claimed', 'sending')"),
    )
    op.create_index(
        "ix_messages_reached",
        "messages",
        ["contact_id", "sent_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('sending', 'accepted', 'unknown')"),
        postgresql_where=sa.text("state IN ('sending', 'accepted', 'unknown')"),
    )
    op.create_index(
        "uq_messages_one_open",
        "messages",
        ["enrollment_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('scheduled', 'claimed', 'sending')"),
        postgresql_where=sa.text("state IN ('scheduled', 'claimed', 'sending')"),
    )
    op.create_table(
        "message_transitions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("message_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("from_state", sa.String(length=10), nullable=False),
        sa.Column("to_state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=200), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_message_transitions_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_transitions")),
        comment="append-only",
    )
    op.create_index("ix_message_transitions_message", "message_transitions", ["message_id"], unique=False)
