"""TikTok's dumps: what is in a record, whatever stands beside it, and who signed it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cartctl.domain.carts import Item
from cartctl.importers.records import Context, Ignored, OrderLine, RowError
from cartctl.importers.registry import choose
from cartctl.importers.registry import read as read_lines
from cartctl.importers.tiktok_signature import App
from tests.importers.reading import Reading, json_file, read
from tests.importers.tiktok_records import (
    KEY,
    SECRET,
    answer,
    cart_event,
    detail,
    jsonl,
    posted,
    seconds,
    signed,
    signed_by_middleware,
    unit,
    webhook,
)
from tests.shop import at

APP = App(KEY, SECRET)


def dump(*records: Any, **context: Any) -> Reading:
    return read("tiktok", jsonl(*records), name="dump.jsonl", **context)


def lines(*records: Any) -> list[Any]:
    file = json_file(jsonl(*records), "dump.jsonl")
    return list(read_lines(choose("tiktok", "auto", file), file, Context("main")))


def because(*records: Any) -> list[str]:
    return [line.because for line in lines(*records) if isinstance(line, Ignored)]


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        *((state, state.lower()) for state in ("ON_HOLD", "AWAITING_SHIPMENT", "AWAITING_COLLECTION", "IN_TRANSIT")),
        *((state, state.lower()) for state in ("PARTIALLY_SHIPPING", "DELIVERED", "COMPLETED")),
        ("CANCEL", "cancelled"),
        ("CANCELLED", "cancelled"),
        ("SOMETHING_NEW", "something_new"),
    ],
)
def test_a_later_state_is_an_order(state: str, kept: str) -> None:
    order = dump(webhook(state, when="2h"), currency="GBP").order
    assert (order.external_id, order.cart_ref, order.channel) == ("5766536881", "5766536881", "tiktok")
    assert (order.status, order.placed_at, order.updated_at) == (kept, at("2h"), at("2h"))
    assert (order.total, order.currency) == (None, "GBP")


def test_a_state_that_is_not_known_is_named_once() -> None:
    states = ("SOMETHING_NEW", "SOMETHING_NEW", "CANCEL", "UNPAID", "IN_TRANSIT", "anna@example.com")
    (note,) = dump(*(webhook(state, when=f"{hour}h") for hour, state in enumerate(states))).notes
    assert note.startswith("these statuses are not known and count as bought: something new; ")
    assert dump(webhook("COMPLETED"), detail("PARTIALLY_SHIPPING")).notes == []


def test_an_unpaid_webhook_waits_for_the_details() -> None:
    reading = dump(webhook("UNPAID"))
    assert (reading.carts, reading.orders, reading.ignored) == ([], [], [1])


def test_types_that_say_nothing_are_counted_by_type() -> None:
    others = [webhook(type=type_) for type_ in (11, 2, "16", 36, 10**9)]
    assert because(*others) == [
        *("webhook of type 11", "webhook of type 2", "webhook of type 16", "webhook of type 36"),
        "webhook of an unknown type",
    ]


def test_a_webhook_without_the_time_of_the_change_has_that_of_its_sending() -> None:
    hook = webhook(when="3h")
    del hook["data"]["update_time"]
    assert dump(hook).order.placed_at == at("3h")
    del hook["timestamp"]
    assert dump(hook).error == ("data.update_time", "is blank")


@pytest.mark.parametrize("time", [1_772_445_600_000, -1, "yesterday", 10**40, 1e9 + 0.5, [1], True])
def test_a_time_that_is_none_is_rejected(time: Any) -> None:
    hook = webhook()
    hook["data"]["update_time"] = time
    assert dump(hook).error[0] == "data.update_time"


def test_ids_are_texts_beyond_what_a_float_holds() -> None:
    assert dump(webhook(order=576653688135258177)).order.external_id == "576653688135258177"
    assert dump(detail(order=576653688135258177)).cart.external_id == "576653688135258177"


@pytest.mark.parametrize("id_", ["5.76653688135258e+17", "5.76e17", "576653688135258177.0"])
def test_an_id_that_was_a_float_is_rejected(id_: str) -> None:
    for record in (webhook(order="ID"), detail(order="ID")):
        reading = read("tiktok", jsonl(record).replace('"ID"', id_), name="dump.jsonl")
        assert [error.reason for error in reading.errors] == [
            "was rounded: ids are texts, or whole numbers written out"
        ]


def test_the_same_notification_counts_once() -> None:
    again = [webhook(notification="7"), webhook(notification="7", when="9h"), webhook(notification="8", when="2h")]
    assert because(*again) == ["delivered before"]
    assert dump(*again).order.updated_at == at("2h")


def test_the_same_number_of_another_type_is_another_notification() -> None:
    assert because(webhook(notification="7", type=11), webhook(notification="7")) == ["webhook of type 11"]


def test_older_webhooks_without_a_number_count_once_a_state() -> None:
    one = webhook(when="1h")
    same = [one, one | {"timestamp": seconds("5h")}]
    assert because(*same) == ["delivered before"]
    others = [webhook(order="8"), webhook(when="2h"), webhook("IN_TRANSIT"), one | {"shop_id": "8"}]
    assert because(one, *others) == []


def test_a_rejected_webhook_is_not_remembered() -> None:
    broken = webhook(notification="7", order="")
    assert dump(broken, webhook(notification="7")).accepted == 1


def test_a_line_says_which_webhook_brought_it() -> None:
    first, second = lines(webhook(notification="7"), webhook(notification="8", when="2h"))
    assert isinstance(first, OrderLine)
    assert isinstance(second, OrderLine)
    assert first.delivery
    assert second.delivery
    assert (first.delivery.state, first.delivery.at) == ("awaiting_shipment", at("1h"))
    assert len({first.delivery.digest, second.delivery.digest}) == 2
    assert lines(webhook(notification="7"))[0] == first


def test_an_unpaid_order_is_a_cart() -> None:
    cart = dump(detail(created="0m", updated="1m")).cart
    assert (cart.external_id, cart.channel, cart.email) == ("5766536881", "tiktok", "v4bexample@scs2.tiktok.com")
    assert (cart.created_at, cart.updated_at) == (at("0m"), at("1m"))
    assert (cart.currency, cart.total) == ("GBP", Decimal("16.49"))
    assert cart.items == (
        Item(
            name="Blue mug",
            sku="1729",
            product_id="91729",
            quantity=1,
            unit_price=Decimal("12.50"),
            image_url="https://img.example.com/1729.jpg",
        ),
    )


def test_pieces_of_one_product_are_put_together() -> None:
    units = [unit(), unit("1730", name="Tea", sku_name="250 g", price="8"), unit(), unit(price="0"), unit()]
    items = dump(detail(units=units)).cart.items
    assert [(item.name, item.variant, item.quantity, item.unit_price) for item in items] == [
        ("Blue mug", "", 3, Decimal("12.50")),
        ("Tea", "250 g", 1, Decimal(8)),
        ("Blue mug", "", 1, Decimal(0)),
    ]


def test_a_cancelled_piece_is_not_in_the_cart() -> None:
    assert [i.quantity for i in dump(detail(units=[unit(), unit(display_status="CANCELLED")])).cart.items] == [1]


def test_the_shop_s_own_code_is_the_sku() -> None:
    assert dump(detail(units=[unit(seller_sku="MUG-B")])).cart.items[0].sku == "MUG-B"


def test_a_paid_order_is_an_order() -> None:
    order = dump(detail("AWAITING_SHIPMENT", updated="3h", paid_time=seconds("2h"))).order
    assert (order.placed_at, order.updated_at, order.status) == (at("2h"), at("3h"), "awaiting_shipment")
    assert (order.total, order.currency, order.cart_ref) == (Decimal("16.49"), "GBP", "5766536881")
    assert order.email == "v4bexample@scs2.tiktok.com"


def test_an_order_paid_on_delivery_counts_from_its_creation() -> None:
    assert dump(detail("IN_TRANSIT", updated="3h", paid_time=0, is_cod=True)).order.placed_at == at("0m")


def test_a_cancelled_order_that_nobody_paid_dates_no_purchase() -> None:
    order = dump(detail("CANCELLED", created="0m", updated="48h")).order
    assert (order.status, order.placed_at) == ("cancelled", at("48h"))


def test_samples_and_replacements_are_no_sales() -> None:
    orders = [detail("COMPLETED", is_sample_order=True), detail(is_replacement_order=True)]
    assert because(*orders) == ["a sample order", "a replacement order"]


def test_masked_facts_are_nobody_s() -> None:
    masked = {"phone_number": "(+44)20****5678", "first_name": "A***", "region_code": "GB"}
    cart = dump(detail(recipient_address=masked, buyer_email="a***@example.com")).cart
    assert (cart.phone, cart.first_name, cart.email) == (None, "", None)


def test_a_phone_number_is_read_in_the_country_it_is_sent_to() -> None:
    address = {"phone_number": "020 7946 0018", "region_code": "GB", "first_name": "Anna"}
    cart = dump(detail(recipient_address=address), country="DE").cart
    assert (cart.phone, cart.first_name) == ("+442079460018", "Anna")


def test_an_answer_of_the_api_is_as_many_records_as_orders() -> None:
    reading = read("tiktok", json.dumps(answer(detail(), detail("COMPLETED", order="2")), indent=1), name="orders.json")
    assert ([cart.external_id for cart in reading.carts], reading.order.external_id) == (["5766536881"], "2")


def test_an_answer_a_line_is_as_many_records_as_orders() -> None:
    pages = [answer(detail(), detail(order="2"), detail(order="")), webhook(order="3"), answer(detail(order=""))]
    reading = dump(*pages)
    assert [cart.external_id for cart in reading.carts] == ["5766536881", "2"]
    assert [(error.row, error.column) for error in reading.errors] == [(3, "id"), (5, "id")]
    assert json.loads(reading.errors[0].raw[0]) == detail(order="")
    again = json_file(jsonl(*pages), "dump.jsonl").again([3, 5])
    assert [(row, json.loads(raw)["id"]) for row, (raw,) in again] == [(3, ""), (5, "")]


def test_an_answer_without_orders_is_empty() -> None:
    assert read("tiktok", json.dumps(answer()), name="orders.json").accepted == 0
    assert because(webhook(), answer()) == ["an answer without orders"]


def test_an_answer_that_is_a_refusal_is_rejected() -> None:
    refused = {"code": 105002, "message": "Expired credentials", "request_id": "2026"}
    expected = ("code", "is 105002: TikTok refused the request, and the answer holds no orders")
    assert dump(refused).error == expected


def test_records_of_every_kind_in_one_file() -> None:
    records = [
        webhook("UNPAID"),
        answer(detail()),
        posted(webhook("DELIVERED", order="2")),
        detail("COMPLETED", order="3"),
    ]
    reading = dump(*records, posted(cart_event(timestamp=seconds("4h"))), {"hello": 1})
    assert [cart.external_id for cart in reading.carts] == ["5766536881", "c-1"]
    assert [order.external_id for order in reading.orders] == ["2", "3"]
    assert (reading.ignored, reading.errors[0].reason) == ([1], "is no webhook, order detail or cart event of TikTok")


@pytest.mark.parametrize("text", [json.dumps([webhook(), webhook("DELIVERED")]), json.dumps(webhook())])
def test_an_array_and_a_single_record_are_dumps_too(text: str) -> None:
    assert len(read("tiktok", text, name="dump.json").orders) == 1


@pytest.mark.parametrize("email", ["user_email", "email"])
def test_a_cart_event_is_a_cart(email: str) -> None:
    event = cart_event("cart_abandoned", timestamp=seconds("5m"))
    event["cart_data"][email] = event["cart_data"].pop("user_email")
    cart = dump(event).cart
    assert (cart.external_id, cart.channel, cart.email) == ("c-1", "tiktok", "anna@example.com")
    assert (cart.updated_at, cart.currency, cart.cart_url) == (at("5m"), "EUR", "https://shop.example.com/cart")
    assert [(i.name, i.quantity, i.unit_price) for i in cart.items] == [("Blue mug", 2, Decimal("12.5"))]


def test_the_newest_cart_event_wins() -> None:
    later = cart_event(timestamp=seconds("9m"))
    later["cart_data"]["items"] = []
    assert dump(later, cart_event(timestamp=seconds("5m"))).cart.items == ()


def test_a_cart_event_without_a_time_has_that_of_its_posting() -> None:
    headers = {"x-tiktok-timestamp": [str(seconds("7m"))]}
    reading = dump(posted(cart_event(), **headers), posted(cart_event(cart="c-2"), **headers))
    assert [cart.updated_at for cart in reading.carts] == [at("7m"), at("7m")]
    assert len(reading.notes) == 1
    assert dump(cart_event()).error[0] == "timestamp"


def test_another_cart_event_is_ignored() -> None:
    assert because(cart_event("cart_viewed")) == ["a cart event that is neither cart_updated nor cart_abandoned"]


# Signatures


def test_what_is_signed_is_taken() -> None:
    reading = dump(signed(webhook()), signed_by_middleware(cart_event()), tiktok_app=APP)
    assert (len(reading.orders), len(reading.carts), reading.errors) == (1, 1, [])


@pytest.mark.parametrize(
    ("record", "column"),
    [
        pytest.param(webhook(), "", id="bare webhook"),
        pytest.param(cart_event(timestamp=1_772_445_600), "", id="bare cart event"),
        pytest.param(detail(), "", id="detail among webhooks"),
        pytest.param(posted(webhook()), "headers.authorization", id="no signature"),
        pytest.param(posted(webhook(), Authorization="0" * 64), "headers.authorization", id="forged"),
        pytest.param(signed(webhook(), key="another app"), "headers.authorization", id="another app"),
        pytest.param(
            signed(webhook()) | {"body": json.dumps(webhook("CANCEL"))}, "headers.authorization", id="changed"
        ),
        pytest.param(signed(webhook()) | {"body": webhook()}, "body", id="raw body not kept"),
        pytest.param(posted(answer(detail())), "headers.authorization", id="detail posted by anybody"),
    ],
)
def test_what_is_not_signed_is_refused(record: Any, column: str) -> None:
    reading = dump(signed(webhook("DELIVERED", order="1")), record, tiktok_app=APP)
    assert [(error.row, error.column) for error in reading.errors] == [(2, column)]
    assert len(reading.orders) == 1


def test_details_that_the_shop_asked_for_bear_no_signature() -> None:
    text = json.dumps(answer(detail()))
    assert len(read("tiktok", text, name="orders.json", tiktok_app=APP).carts) == 1
    reading = dump(detail(), webhook(), cart_event(timestamp=seconds("1m")) | detail(order="2"), tiktok_app=APP)
    assert (len(reading.carts), [error.row for error in reading.errors]) == (1, [2, 3])


def test_a_signed_body_is_checked_byte_by_byte() -> None:
    raw = json.dumps(webhook() | {"note": "\N{SNOWMAN} / \\u2603"}, indent=3, ensure_ascii=False)
    assert dump(signed(raw), tiktok_app=APP).accepted == 1
    assert dump(signed(raw) | {"body": json.dumps(json.loads(raw))}, tiktok_app=APP).accepted == 0


def test_without_an_app_a_signature_is_not_looked_at() -> None:
    assert dump(posted(webhook(), Authorization="0" * 64)).accepted == 1


@pytest.mark.parametrize(("apart", "taken"), [("4m59s", True), ("5m1s", False)])
def test_a_middleware_s_header_is_near_to_the_event_s_time(apart: str, taken: bool) -> None:
    event = cart_event(timestamp=seconds("0m"))
    assert bool(dump(signed_by_middleware(event, when=apart), tiktok_app=APP).carts) is taken
    assert dump(posted(event, **{"X-TikTok-Timestamp": str(seconds(apart))})).accepted == 1


@pytest.mark.parametrize("body", ["", "{", "[]", "7", '{"type": 1}', '{"a": "\\u0000"}', "[" * 1000])
def test_a_body_that_is_none_is_rejected(body: str) -> None:
    errors = dump(posted(body), webhook()).errors
    assert [error.row for error in errors] == [1]
    assert isinstance(errors[0], RowError)


ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, 0, -1, 10**30, 0.5, "", "UNPAID", "*", "\N{SNOWMAN}", [], {}, [[]], [{}], {"a": 1}]),
    st.text(max_size=5),
)
RECORDS = (
    webhook(notification="7"),
    detail(),
    detail("COMPLETED"),
    answer(detail()),
    cart_event(timestamp=seconds("0m")),
)


def spoilt(value: Any, data: st.DataObject) -> Any:
    """Return the document with something odd in one place."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 4)):
        key = data.draw(st.sampled_from(sorted(value)))
        return value | {key: spoilt(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        return [spoilt(value[0], data), *value[1:]]
    return data.draw(ODD)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), wrap=st.sampled_from([lambda record: record, posted, signed]), app=st.sampled_from([None, APP]))
def test_whatever_stands_in_a_record_it_is_one_line(data: st.DataObject, wrap: Any, app: App | None) -> None:
    record = wrap(spoilt(data.draw(st.sampled_from(RECORDS)), data))
    reading = dump(webhook(order="1"), record, tiktok_app=app)
    assert reading.accepted + len(reading.errors) + len(reading.ignored) == 2
