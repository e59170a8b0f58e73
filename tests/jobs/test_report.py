"""The report's numbers, checked by hand against small histories."""

from tests.shop import Shop, cart, iso, order


def test_numbers_of_a_small_shop(any_shop: Shop) -> None:
    any_shop.carts(
        cart("c-1", email="a@example.com"),
        cart("c-2", email="b@example.com", unit_price="20.00"),
        cart("c-3", email="c@example.com", currency="JPY", unit_price="3000"),
        cart("c-4", email="d@example.com", channel="tiktok"),
        cart("c-5", email="e@example.com"),
        when="5m",
    )
    any_shop.orders(order("o-5", placed="10m", cart_id="c-5"), when="20m")
    any_shop.run("30m")
    any_shop.orders(
        order("o-1", placed="2h", cart_id="c-1", total="45.00", refunded="5.00"),
        order("o-3", placed="3h", cart_id="c-3", currency="JPY", total="3000"),
        when="4h",
    )
    any_shop.run("24h")
    assert any_shop.report("30h") == {
        "since": None,
        "until": None,
        "carts": 5,
        "abandoned": 4,
        "recovered": 2,
        "recovery_rate": 0.5,
        "immature": 4,
        "late_orders": 0,
        "includes_outbox": True,
        "revenue": {
            "EUR": {"abandoned": "119.80", "recovered_gross": "45.00", "recovered_net": "40.00"},
            "JPY": {"abandoned": "3000", "recovered_gross": "3000", "recovered_net": "3000"},
        },
        "attribution": {
            "clicked": {"orders": 0, "revenue": {}},
            "sent": {
                "orders": 2,
                "revenue": {"EUR": {"gross": "45.00", "net": "40.00"}, "JPY": {"gross": "3000", "net": "3000"}},
            },
            "incremental": [],
        },
        "by_step": [
            {"sequence": "cart-recovery", "step": "reminder", "sent": 4, "recovered": 2, "clicked": 0, "immature": 4},
            {"sequence": "cart-recovery", "step": "urgency", "sent": 2, "recovered": 0, "clicked": 0, "immature": 2},
        ],
        "by_channel": [
            {"channel": "tiktok", "carts": 1, "abandoned": 1, "recovered": 0, "recovery_rate": 0.0, "immature": 1},
            {"channel": "website", "carts": 4, "abandoned": 3, "recovered": 2, "recovery_rate": 2 / 3, "immature": 3},
        ],
    }


def test_an_empty_shop_has_an_empty_report(any_shop: Shop) -> None:
    report = any_shop.report("1h")
    assert (report["carts"], report["abandoned"], report["recovered"], report["recovery_rate"]) == (0, 0, 0, None)
    assert (report["revenue"], report["by_step"], report["by_channel"]) == ({}, [], [])


def test_later_refunds_and_cancellations_change_net_and_never_gross(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    shop.orders(order(placed="1h", cart_id="c-1", total="49.90"), when="2h")
    assert shop.report("3h")["revenue"]["EUR"]["recovered_net"] == "49.90"
    shop.orders(order(placed="1h", cart_id="c-1", total="49.90", refunded="9.90"), when="3h")
    assert shop.report("4h")["revenue"]["EUR"] == {
        "abandoned": "49.90",
        "recovered_gross": "49.90",
        "recovered_net": "40.00",
    }
    shop.orders(order(placed="1h", cart_id="c-1", total="0", status="cancelled"), when="5h")
    report = shop.report("6h")
    assert report["revenue"]["EUR"]["recovered_gross"] == "49.90"
    assert report["revenue"]["EUR"]["recovered_net"] == "0.00"
    assert report["recovered"] == 1
    shop.run("24h")
    assert [step for _, step, _ in shop.sent] == ["reminder"], "a cancelled buyer is still a buyer"


def test_an_order_that_closes_three_carts_is_counted_once_in_money(shop: Shop) -> None:
    shop.carts(cart("c-1"), cart("c-2", seen="1m"), cart("c-3", seen="2m"), when="5m")
    shop.run("40m")
    shop.orders(order(placed="2h", email="anna@example.com", total="60.00"), when="3h")
    report = shop.report("3h")
    assert (report["abandoned"], report["recovered"], report["recovery_rate"]) == (3, 3, 1.0)
    assert report["revenue"]["EUR"]["recovered_gross"] == "60.00"


def test_a_purchase_after_fourteen_days_is_no_recovery(shop: Shop) -> None:
    shop.carts(cart(), cart("c-2", email="ben@example.com"), when="5m")
    shop.run("30m")
    shop.orders(order("o-1", placed="335h59m", cart_id="c-1"), order("o-2", placed="336h", cart_id="c-2"), when="340h")
    report = shop.report("340h")
    assert (report["abandoned"], report["recovered"]) == (2, 1)
    assert report["by_step"][0]["recovered"] == 0, "five days after the last mail have passed"


def test_the_last_mail_before_the_order_is_credited_and_no_other(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    for tick in ("30m", "24h", "48h"):
        shop.run(tick)
    shop.orders(order(placed="49h", cart_id="c-1"), when="50h")
    assert [(row["step"], row["recovered"]) for row in shop.report("50h")["by_step"]] == [
        ("reminder", 0),
        ("urgency", 0),
        ("offer", 1),
    ]


def test_periods_are_half_open_and_in_the_stores_zone(shop: Shop) -> None:
    # T0 is 2 March 2026, 10:00 UTC. In Auckland (UTC+13) the third of March begins 11:00 UTC on the second.
    shop.configure('[stores.kiwi]\ntimezone = "Pacific/Auckland"\n')
    shop.carts(cart("c-1", seen="59m", email="a@example.com"), cart("c-2", seen="1h", email="b@example.com"), when="1h")
    shop.run("90m")
    assert shop.report("2h", "--until", "2026-03-03")["abandoned"] == 1
    assert shop.report("2h", "--since", "2026-03-03")["abandoned"] == 1
    assert shop.report("2h", "--since", "2026-03-02T11:00:00+00:00")["abandoned"] == 1
    assert shop.report("2h", "--since", "2026-03-02T11:00:00.000001+00:00")["abandoned"] == 0
    assert shop.report("25h", "--since", "1d")["abandoned"] == 1, "the cart seen exactly 24 h ago"


def test_a_rate_never_passes_one_whatever_the_period(shop: Shop) -> None:
    shop.carts(cart("c-1"), when="5m")
    shop.run("30m")
    shop.carts(cart("c-2", seen="30h", email="ben@example.com"), when="30h")
    shop.run("31h")
    shop.orders(order("o-1", placed="31h", cart_id="c-1"), order("o-2", placed="32h", cart_id="c-2"), when="33h")
    for since in ("0m", "1h", "29h", "31h"):
        report = shop.report("40h", "--since", iso(since))
        assert report["recovered"] <= report["abandoned"]


def test_a_delivering_shop_leaves_the_outbox_out(shop: Shop, monkeypatch: object) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    shop.orders(order(placed="20m", email="anna@example.com"), when="2h")
    shop.configure('transport = "sendgrid"\n')
    report = shop.cli("report", "--json").json
    assert (report["by_step"], report["late_orders"], report["includes_outbox"]) == ([], 0, False)
    report = shop.cli("report", "--json", "--include-outbox").json
    assert (report["by_step"][0]["sent"], report["late_orders"], report["includes_outbox"]) == (1, 1, True)


def test_the_table_shows_what_the_json_says(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    shop.orders(order(placed="2h", cart_id="c-1"), when="3h")
    text = shop.cli("report", "--define", "--at", iso("3h")).out
    for word in ("website", "100.0%", "49.90", "cart-recovery/reminder", "late orders: 0", "within 14d"):
        assert word in text


def test_bad_periods_are_refused(shop: Shop) -> None:
    for text in ("yesterday", "2026-03-02T10:00:00", "30x", "2026-02-30"):
        outcome = shop.cli("report", "--since", text, ok=False)
        assert outcome.exit_code == 2
        assert outcome.err.startswith("cartctl: --since: ")


def test_money_goes_with_the_cart_that_came_back(shop: Shop) -> None:
    """The shopper left one cart, and bought with another that was never abandoned."""
    shop.carts(cart("c-1"), when="5m")
    shop.run("30m")
    shop.carts(cart("c-2", seen="2h"), when="2h")
    shop.orders(order(placed="2h10m", email="anna@example.com", cart_id="c-2", total="60.00"), when="3h")
    report = shop.report("3h")
    assert (report["abandoned"], report["recovered"]) == (1, 1)
    assert report["revenue"]["EUR"]["recovered_gross"] == "60.00"


def test_a_later_order_does_not_touch_a_cart_of_the_past(shop: Shop) -> None:
    shop.carts(cart(), when="1m")
    shop.orders(order("o-1", placed="5m", email="anna@example.com"), when="10m")
    shop.run("30m")
    shop.carts(cart(seen="72h"), when="72h")
    shop.orders(order("o-2", placed="72h5m", cart_id="c-1"), when="72h10m")
    shop.run("73h")
    report = shop.report("73h")
    assert (report["carts"], report["abandoned"], report["recovered"]) == (2, 0, 0)


def test_an_old_export_does_not_undo_a_refund(shop: Shop) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    shop.orders(order(placed="1h", cart_id="c-1", total="10.00", refunded="10.00"), when="3h")
    shop.orders(order(placed="1h", cart_id="c-1", total="10.00"), when="4h")
    assert shop.report("5h")["revenue"]["EUR"]["recovered_net"] == "0.00"


def test_first_activity_is_the_earliest_that_any_row_names(shop: Shop) -> None:
    shop.carts(cart(seen="0m"), cart(seen="20h"), when="20h")
    assert shop.report("21h", "--until", "2026-03-03")["carts"] == 1
