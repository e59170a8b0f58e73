"""The tables. Times are whole microseconds since 1970 UTC, money is whole minor units: the same integers, and so the
same SQL and the same comparisons, on SQLite and PostgreSQL. In a shell: `datetime(abandoned_at / 1e6, 'unixepoch')`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from cartctl.store.instants import UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY is SQLite's row id


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True)


marks = Table(
    "marks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    comment="facts about the database itself: rehearsal, signing and hashing keys",
)

contacts = Table(
    "contacts",
    metadata,
    _id(),
    Column("email_normalised", String(320), nullable=False),
    Column("consent", String(8), nullable=False, server_default="unknown"),
    Column("consent_at", UtcTime),
    Column("consent_source", String(80), nullable=False, server_default=""),
    # What a list of contacts says of them; a cart brings names, zone and language of its own.
    Column("first_name", String(200), nullable=False, server_default=""),
    Column("business_name", String(200), nullable=False, server_default=""),
    Column("locale", String(35), nullable=False, server_default=""),
    Column("timezone", String(64), nullable=False, server_default=""),
    Column("attributes", Text, nullable=False, server_default=""),  # JSON: name -> text, number or truth
    Column("listed_at", UtcTime),  # when a list, or somebody by hand, last told of them
    UniqueConstraint("email_normalised"),
)

carts = Table(
    "carts",
    metadata,
    _id(),
    Column("store", String(60), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("generation", Integer, nullable=False, server_default="1"),
    Column("channel", String(20), nullable=False),
    Column("contact_id", ForeignKey("contacts.id")),
    Column("phone", String(20)),
    Column("checkout_token", String(200), nullable=False, server_default=""),
    Column("cart_token", String(200), nullable=False, server_default=""),
    Column("first_name", String(200), nullable=False, server_default=""),
    Column("last_name", String(200), nullable=False, server_default=""),
    Column("locale", String(35), nullable=False, server_default=""),
    Column("timezone", String(64), nullable=False, server_default=""),
    Column("currency", String(3), nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("total_given", Boolean, nullable=False),  # by the export; else it is the sum of the lines
    Column("is_empty", Boolean, nullable=False),
    Column("cart_url", Text, nullable=False, server_default=""),
    Column("created_at", UtcTime),
    Column("first_activity_at", UtcTime, nullable=False),
    Column("last_activity_at", UtcTime, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("status", String(10), nullable=False),
    Column("abandoned_at", UtcTime),
    Column("first_abandoned_at", UtcTime),
    Column("detected_at", UtcTime),
    Column("awaits_enrollment", Boolean, nullable=False, server_default=text("false")),
    Column("recovered_at", UtcTime),
    Column("order_id", ForeignKey("orders.id")),
    # Of all carts that one order closed, exactly one is credited with its money.
    Column("credited", Boolean, nullable=False, server_default=text("false")),
    # What says whose it was is gone, and no file that shows this state of it, or an older one, brings it back.
    Column("erased", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("store", "external_id", "generation"),
)
Index(
    "ix_carts_idle",
    carts.c.last_activity_at,
    info={"where": "status = 'active' AND NOT is_empty"},
)
Index(
    "ix_carts_awaiting",
    carts.c.id,
    info={"where": "awaits_enrollment"},
)
Index("ix_carts_contact", carts.c.contact_id)
Index("ix_carts_erased", carts.c.store, carts.c.external_id, info={"where": "erased"})
for _column in (carts.c.phone, carts.c.checkout_token, carts.c.cart_token):
    Index(f"ix_carts_{_column.name}", _column, info={"where": f"{_column.name} <> ''"})
for _name, _column in (("order", carts.c.order_id), ("first_abandoned", carts.c.first_abandoned_at)):
    Index(f"ix_carts_{_name}", _column, info={"where": f"{_column.name} IS NOT NULL"})

cart_items = Table(
    "cart_items",
    metadata,
    Column("cart_id", ForeignKey("carts.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("product_id", String(200), nullable=False, server_default=""),
    Column("sku", String(200), nullable=False, server_default=""),
    Column("name", Text, nullable=False),
    Column("variant", Text, nullable=False, server_default=""),
    Column("quantity", Integer, nullable=False),
    Column("unit_price_minor", BigInteger),
    Column("image_url", Text, nullable=False, server_default=""),
    Column("product_url", Text, nullable=False, server_default=""),
    CheckConstraint("quantity >= 0", name="quantity"),
    sqlite_with_rowid=False,
)

cart_aliases = Table(
    "cart_aliases",
    metadata,
    Column("cart_id", ForeignKey("carts.id"), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("value", String(200), primary_key=True),
    comment="contact_id, phone and tokens that other sightings of a cart showed: a purchase with one closes it",
)
Index("ix_cart_aliases_value", cart_aliases.c.value, cart_aliases.c.kind)

orders = Table(
    "orders",
    metadata,
    _id(),
    Column("store", String(60), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("contact_id", ForeignKey("contacts.id")),
    Column("phone", String(20)),
    Column("cart_ref", String(200), nullable=False, server_default=""),
    Column("checkout_token", String(200), nullable=False, server_default=""),
    Column("cart_token", String(200), nullable=False, server_default=""),
    Column("status", String(40), nullable=False, server_default=""),
    Column("is_purchase", Boolean, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("total_minor", BigInteger, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("total_given", Boolean, nullable=False, server_default=text("true")),  # else no file has told it yet
    Column("coupon", String(200), nullable=False, server_default=""),
    Column("placed_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime),
    Column("imported_at", UtcTime, nullable=False),
    Column("erased", Boolean, nullable=False, server_default=text("false")),  # as of carts, but for good
    UniqueConstraint("store", "external_id"),
)
Index("ix_orders_contact", orders.c.contact_id)
Index("ix_orders_erased", orders.c.store, orders.c.external_id, info={"where": "erased"})
Index("ix_orders_untold", orders.c.store, orders.c.cart_ref, info={"where": "NOT total_given"})
for _column in (orders.c.phone, orders.c.cart_ref, orders.c.checkout_token, orders.c.cart_token):
    Index(f"ix_orders_{_column.name}", _column, info={"where": f"{_column.name} <> ''"})

enrollments = Table(
    "enrollments",
    metadata,
    _id(),
    Column("sequence", String(60), nullable=False),
    Column("cart_id", ForeignKey("carts.id")),  # none: the contact itself was enrolled
    Column("contact_id", ForeignKey("contacts.id"), nullable=False),
    Column("store", String(60), nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", String(40), nullable=False, server_default=""),
    Column("segment", String(60), nullable=False, server_default=""),
    # "treated" or "holdout", as the contact was drawn when this began; "": nothing was drawn.
    Column("arm", String(10), nullable=False, server_default=""),
    Column("is_test", Boolean, nullable=False, server_default=text("false")),
    Column("enrolled_at", UtcTime, nullable=False),
    Column("began_at", UtcTime),  # what a contact's steps count from; a cart's count from its abandonment
    Column("resumed_at", UtcTime),
    Column("ended_at", UtcTime),
    UniqueConstraint("sequence", "cart_id"),
    CheckConstraint("status IN ('live', 'suspended', 'finished', 'cancelled', 'holdout')", name="status"),
)
Index(
    "uq_enrollments_contact",
    enrollments.c.sequence,
    enrollments.c.contact_id,
    unique=True,
    info={"where": "cart_id IS NULL AND NOT is_test"},  # a test may be done again
)
Index("ix_enrollments_arm", enrollments.c.sequence, enrollments.c.contact_id, info={"where": "arm <> ''"})
Index("ix_enrollments_test", enrollments.c.cart_id, info={"where": "is_test"})
Index("ix_enrollments_cart", enrollments.c.cart_id)
Index("ix_enrollments_contact", enrollments.c.contact_id)
Index(
    "uq_enrollments_one_live",
    enrollments.c.contact_id,
    enrollments.c.store,
    enrollments.c.sequence,
    unique=True,
    info={"where": "status = 'live'"},
)

messages = Table(
    "messages",
    metadata,
    _id(),
    Column("enrollment_id", ForeignKey("enrollments.id"), nullable=False),
    Column("step", String(60), nullable=False),
    Column("contact_id", ForeignKey("contacts.id"), nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", String(200), nullable=False, server_default=""),
    Column("due_at", UtcTime, nullable=False),
    Column("attempt_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_token", String(32)),
    Column("lease_until", UtcTime),
    Column("transport", String(20), nullable=False, server_default=""),
    Column("delivers", Boolean, nullable=False, server_default=text("false")),
    Column("receipt", String(200), nullable=False, server_default=""),
    Column("coupon", String(100), nullable=False, server_default=""),
    Column("sent_at", UtcTime),  # when it was last handed over
    Column("first_sent_at", UtcTime),  # earlier, where an answer was lost and a provider that knows repeats asked again
    Column("is_test", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("enrollment_id", "step"),
    # An id goes into links and file names: it is never given out twice, not even after a deletion.
    sqlite_autoincrement=True,
)
Index(
    "ix_messages_attempt",
    messages.c.attempt_at,
    messages.c.id,
    info={"where": "state = 'scheduled'"},
)
Index(
    "ix_messages_lease",
    messages.c.lease_until,
    info={"where": "lease_until IS NOT NULL"},  # a comparison implies it; SQLite's planner does not look into IN lists
)
Index(
    "ix_messages_reached",
    messages.c.contact_id,
    messages.c.sent_at,
    info={"where": "sent_at IS NOT NULL"},
)
Index(
    "ix_messages_sent",
    messages.c.sent_at,
    info={"where": "sent_at IS NOT NULL"},
)
Index(
    "uq_messages_one_open",
    messages.c.enrollment_id,
    unique=True,
    info={"where": "state IN ('scheduled', 'claimed', 'sending')"},
)

Index("ix_messages_contact", messages.c.contact_id)
Index("ix_messages_receipt", messages.c.receipt, info={"where": "receipt <> ''"})

message_transitions = Table(
    "message_transitions",
    metadata,
    _id(),
    Column("message_id", ForeignKey("messages.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("from_state", String(10), nullable=False),
    Column("to_state", String(10), nullable=False),
    Column("reason", String(200), nullable=False, server_default=""),
    Column("facts", Text, nullable=False, server_default=""),  # JSON: what the gate knew when it decided
    comment="append-only",
)
Index("ix_message_transitions_message", message_transitions.c.message_id)

events = Table(
    "events",
    metadata,
    _id(),
    # What makes it the same event in another dump: SHA-256, see store/events.py.
    Column("content_hash", String(64), nullable=False),
    Column("source", String(20), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("message_id", ForeignKey("messages.id")),
    Column("store", String(60), nullable=False, server_default=""),
    Column("subject", String(200), nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Column("scanner_score", Integer),  # of a click: 0 is a person, 100 a machine
    UniqueConstraint("content_hash"),
    comment="what a provider or the shopper did later; no address in it",
)
Index("ix_events_message", events.c.message_id, info={"where": "message_id IS NOT NULL"})

coupons = Table(
    "coupons",
    metadata,
    _id(),
    Column("coupon", String(60), nullable=False),
    Column("code", String(100), nullable=False),
    Column("expires_at", UtcTime),
    Column("imported_at", UtcTime, nullable=False),
    # The message that was given this code; nobody else ever is. An expiry of 0: retired when a backup was restored.
    Column("message_id", ForeignKey("messages.id")),
    UniqueConstraint("coupon", "code"),
)
Index("uq_coupons_message", coupons.c.message_id, unique=True, info={"where": "message_id IS NOT NULL"})
Index("ix_coupons_free", coupons.c.coupon, coupons.c.expires_at, info={"where": "message_id IS NULL"})

suppressions = Table(
    "suppressions",
    metadata,
    _id(),
    Column("email_hash", String(64), nullable=False),
    Column("scope", String(60), nullable=False),
    Column("reason", String(80), nullable=False),
    Column("at", UtcTime, nullable=False),
    UniqueConstraint("email_hash", "scope"),
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("email_hash", String(64), primary_key=True),
    Column("at", UtcTime, nullable=False),
    comment="who asked to be erased: an import must not bring them back",
)

brakes = Table(
    "brakes",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("subject", String(130), primary_key=True),
    Column("since", UtcTime, nullable=False),
    Column("told_at", UtcTime, nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
    Column("released_at", UtcTime),  # somebody let it go: what was before does not count against it again
    comment="what holds sending back now, and warnings; a row that is gone, or was released, has let go",
)

feeds = Table(
    "feeds",
    metadata,
    Column("store", String(60), primary_key=True),
    Column("channel", String(20), primary_key=True),
    Column("imported_at", UtcTime, nullable=False),
    Column("newest_order_at", UtcTime),
    comment="how fresh each feed of orders is",
)

intake = Table(
    "intake",
    metadata,
    _id(),
    Column("kind", String(20), nullable=False),
    Column("store", String(60), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    comment="cart updates that the web endpoint took in, until the next run reads them",
)

alerts = Table(
    "alerts",
    metadata,
    Column("enrollment_id", ForeignKey("enrollments.id"), primary_key=True),
    Column("segment", String(60), primary_key=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("attempt_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    Column("reason", String(200), nullable=False, server_default=""),
    comment="who is to be told that a contact has entered a segment: once",
)
Index("ix_alerts_attempt", alerts.c.attempt_at, info={"where": "done_at IS NULL"})

mirrored = Table(
    "mirrored",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("subject", String(200), primary_key=True),
    Column("page_id", String(60), nullable=False),
    Column("fingerprint", String(64), nullable=False, server_default=""),
    Column("at", UtcTime, nullable=False),
    comment="which page of Notion shows which contact, message or template, and what was last written there",
)

imports = Table(
    "imports",
    metadata,
    _id(),
    Column("identity", String(64), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("store", String(60), nullable=False),
    Column("format", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("counts", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
)
Index("ix_imports_identity", imports.c.identity)

runs = Table(
    "runs",
    metadata,
    _id(),
    Column("job", String(20), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime),
    Column("counts", Text, nullable=False, server_default=""),
)
Index("ix_runs_started", runs.c.job, runs.c.started_at)


def for_ddl() -> MetaData:
    """Return the tables with their partial indexes spelt out for both dialects.

    Whoever creates or compares tables needs that. SQLAlchemy imports a dialect as soon as it is named, and importing
    PostgreSQL's would cost every tick on SQLite 50 ms.
    """
    for table in metadata.tables.values():
        for index in table.indexes:
            if where := index.info.get("where"):
                index.kwargs["sqlite_where"] = index.kwargs["postgresql_where"] = text(where)
    return metadata
