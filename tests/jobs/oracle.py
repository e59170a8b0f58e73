"""The report's numbers worked out once more: slowly, in plain Python, from the rows themselves."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from cartctl.domain.money import Money
from cartctl.jobs.report.asking import Asked
from tests.jobs.histories import History

ZONES = {"main": ZoneInfo("Europe/Berlin"), "kiwi": ZoneInfo("Pacific/Auckland")}
Row = dict[str, Any]


@dataclass
class Oracle:
    """Asked the same as the report, of the same rows."""

    history: History
    asked: Asked

    def __post_init__(self) -> None:
        history = self.history
        self.orders = {row["id"]: row for row in history.orders}
        self.carts = {row["id"]: row for row in history.carts}
        self.enrollments = {row["id"]: row for row in history.enrollments}
        self.tested = {row["cart_id"] for row in history.enrollments if row["is_test"]}
        self.events: dict[int, list[Row]] = defaultdict(list)
        for event in history.events:
            self.events[event["message_id"]].append(event)

    def is_in(self, at: datetime | None, store: str) -> bool:
        if at is None:
            return False
        since, until = (
            datetime(bound.year, bound.month, bound.day, tzinfo=ZONES[store]) if type(bound) is date else bound
            for bound in (self.asked.since, self.asked.until)
        )
        return (since is None or at >= since) and (until is None or at < until)

    @property
    def filled(self) -> list[Row]:
        return [
            cart
            for cart in self.history.carts
            if self.is_in(cart["first_activity_at"], cart["store"])
            and (not cart["is_empty"] or cart["first_abandoned_at"])
            and cart["id"] not in self.tested
        ]

    @property
    def abandoned(self) -> list[Row]:
        return [
            cart
            for cart in self.history.carts
            if self.is_in(cart["first_abandoned_at"], cart["store"])
            and cart["status"] != "converted"
            and cart["id"] not in self.tested
        ]

    def is_recovered(self, cart: Row) -> bool:
        window = self.asked.recovery_window
        return bool(cart["status"] == "recovered" and cart["recovered_at"] - cart["first_abandoned_at"] < window)

    def is_young(self, cart: Row) -> bool:
        return bool(cart["first_abandoned_at"] + self.asked.recovery_window > self.asked.now)

    @property
    def messages(self) -> list[Row]:
        """Accepted messages to carts of the period, with what belongs to them."""
        found = []
        for message in self.history.messages:
            owner = self.enrollments[message["enrollment_id"]]
            cart = self.carts[owner["cart_id"]]
            if self.counts(message) and self.is_in(cart["first_abandoned_at"], cart["store"]):
                found.append({**message, "cart": cart, "sequence": owner["sequence"]})
        return found

    def counts(self, message: Row) -> bool:
        delivers = message["delivers"] or self.asked.include_outbox
        return bool(message["state"] == "accepted" and not message["is_test"] and delivers)

    def credited(self, cart: Row) -> tuple[Row | None, Row | None]:
        """Return the message that was the last before the cart's order, and the one clicked last before it."""
        bought, window = cart["recovered_at"], self.asked.attribution_window
        sent, clicks = [], []
        for message in self.history.messages:
            if self.enrollments[message["enrollment_id"]]["cart_id"] != cart["id"] or not self.counts(message):
                continue
            if timedelta(0) <= bought - message["sent_at"] < window:
                sent.append(((message["sent_at"], message["id"]), message))
            for number, event in enumerate(self.history.events):
                human = event["scanner_score"] is not None and event["scanner_score"] < 50
                is_ours = event["message_id"] == message["id"] and event["kind"] == "click" and human
                if is_ours and timedelta(0) <= bought - event["at"] < window:
                    clicks.append(((event["at"], number), message))
        last, clicked = (max(each, key=lambda one: one[0], default=(None, None))[1] for each in (sent, clicks))
        return last, clicked

    def counted(self, filled: Iterable[Row], abandoned: Iterable[Row]) -> Row:
        """Return the numbers of a group of carts, as JSON."""
        abandoned = list(abandoned)
        recovered = [cart for cart in abandoned if self.is_recovered(cart)]
        return {
            "carts": len(list(filled)),
            "abandoned": len(abandoned),
            "recovered": len(recovered),
            "recovery_rate": len(recovered) / len(abandoned) if abandoned else None,
            "immature": sum(self.is_young(cart) for cart in abandoned),
        }

    def revenue(self, abandoned: Iterable[Row]) -> Row:
        left, gross, net = Counter[str](), Counter[str](), Counter[str]()
        for cart in abandoned:
            left[cart["currency"]] += cart["total_minor"]
            if self.is_recovered(cart) and cart["credited"]:
                order = self.orders[cart["order_id"]]
                gross[order["currency"]] += order["total_minor"]
                net[order["currency"]] += order["net_minor"]
        return {
            currency: {
                "abandoned": amount(left[currency], currency),
                "recovered_gross": amount(gross[currency], currency),
                "recovered_net": amount(net[currency], currency),
            }
            for currency in sorted(left.keys() | gross.keys())
        }

    def tier(self, carts: Iterable[Row]) -> Row:
        """Return orders and their money, of carts that are credited with them."""
        carts = list(carts)
        orders = [self.orders[cart["order_id"]] for cart in carts]
        revenue = {
            currency: {
                "gross": amount(sum(row["total_minor"] for row in orders if row["currency"] == currency), currency),
                "net": amount(sum(row["net_minor"] for row in orders if row["currency"] == currency), currency),
            }
            for currency in sorted({row["currency"] for row in orders})
        }
        return {"orders": len(carts), "revenue": revenue}

    @property
    def bought(self) -> list[Row]:
        return [cart for cart in self.abandoned if self.is_recovered(cart) and cart["credited"]]

    def after(self, which: int, place: tuple[str, str] | None = None) -> list[Row]:
        """Return the carts whose order is credited to a message (0: sent, 1: clicked), or to those of one step."""
        found = []
        for cart in self.bought:
            message = self.credited(cart)[which]
            if message is not None and place in (None, self.place(message)):
                found.append(cart)
        return found

    def place(self, message: Row) -> tuple[str, str]:
        return self.enrollments[message["enrollment_id"]]["sequence"], message["step"]

    @property
    def steps(self) -> dict[tuple[str, str], Row]:
        """Return each step's numbers, as JSON."""
        return {
            place: {
                "sequence": place[0],
                "step": place[1],
                "sent": len(ours),
                "recovered": len(self.after(0, place)),
                "clicked": len(self.after(1, place)),
                "immature": sum(row["sent_at"] + self.asked.attribution_window > self.asked.now for row in ours),
            }
            for place in {self.place(row) for row in self.messages}
            for ours in [[row for row in self.messages if self.place(row) == place]]
        }

    @property
    def late(self) -> int:
        orders = [(row, self.orders.get(row["cart"]["order_id"])) for row in self.messages]
        return sum(order is not None and row["sent_at"] >= order["placed_at"] for row, order in orders)

    @property
    def arms(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Return (contacts, converted, immature) by sequence and arm."""
        first: dict[tuple[str, int], tuple[Row, str]] = {}
        delivered = [
            (message["sent_at"], message["id"], self.carts[owner["cart_id"]]["first_abandoned_at"])
            for message in self.history.messages
            if (owner := self.enrollments[message["enrollment_id"]])["arm"] and not owner["is_test"]
            if message["sent_at"] and message["delivers"] and self.carts[owner["cart_id"]]["first_abandoned_at"]
        ]
        if not (delivered or self.asked.include_outbox):
            return {}
        begun = None if self.asked.include_outbox else min(delivered)[2]
        by_time = sorted(
            (row for row in self.history.enrollments if self.carts[row["cart_id"]]["first_abandoned_at"]),
            key=lambda row: (self.carts[row["cart_id"]]["first_abandoned_at"], row["cart_id"]),
        )
        for row in by_time:
            cart = self.carts[row["cart_id"]]
            is_in = self.is_in(cart["first_abandoned_at"], cart["store"]) and cart["status"] != "converted"
            is_in &= begun is None or cart["first_abandoned_at"] >= begun
            if row["arm"] and not row["is_test"] and is_in:
                first.setdefault((row["sequence"], row["contact_id"]), (cart, row["arm"]))
        found: dict[tuple[str, str], tuple[int, int, int]] = {}
        for (sequence, _), (cart, arm) in first.items():
            people, converted, young = found.get((sequence, arm), (0, 0, 0))
            found[sequence, arm] = (people + 1, converted + self.is_recovered(cart), young + self.is_young(cart))
        return found

    @property
    def delivery(self) -> dict[str, Counter[str]]:
        """Return what became of messages, by transport."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        tells: dict[str, bool] = defaultdict(bool)
        for message in self.messages:
            told = self.events[message["id"]]
            kinds = {event["kind"] for event in told}
            opens = {event["detail"] for event in told if event["kind"] == "open"}
            clicks = [event["scanner_score"] for event in told if event["kind"] == "click"]
            counts = found[message["transport"]]
            counts["accepted"] += 1
            said = "delivered" in kinds and "bounce" not in kinds
            tells[message["transport"]] |= said
            counts["delivered"] += said or bool(kinds & {"open", "click", "spamreport", "unsubscribe"})
            counts["bounced"] += "bounce" in kinds
            counts["complained"] += "spamreport" in kinds
            counts["unsubscribed"] += "unsubscribe" in kinds
            counts["opened"] += "" in opens
            counts["opened_by_machine"] += opens == {"machine"}
            counts["clicked"] += any(score is not None and score < 50 for score in clicks)
            counts["clicked_raw"] += bool(clicks)
        for transport, counts in found.items():
            counts["delivered"] *= tells[transport]
        return found

    @property
    def coupons(self) -> dict[str, tuple[int, int, int]]:
        """Return (shown, bought, redeemed) by coupon."""
        pools = {row["message_id"]: row["coupon"] for row in self.history.coupons}
        found: dict[str, tuple[int, int, int]] = {}
        for message in self.messages:
            if not message["coupon"]:
                continue
            cart = message["cart"]
            bought = self.is_recovered(cart) and cart["recovered_at"] >= message["sent_at"]
            later = [
                other
                for other in self.messages
                if other["cart"] is cart
                and other["coupon"] == message["coupon"]
                and other["sent_at"] <= (cart["recovered_at"] or other["sent_at"])
                and (other["sent_at"], other["id"]) > (message["sent_at"], message["id"])
            ]
            redeemed = (
                bought
                and cart["credited"]
                and self.orders[cart["order_id"]]["coupon"].lower() == message["coupon"].lower()
                and not later
            )
            name = str(pools.get(message["id"], message["coupon"]))
            known = found.get(name, (0, 0, 0))
            found[name] = (known[0] + 1, known[1] + bought, known[2] + redeemed)
        return found

    @property
    def minutes(self) -> list[int]:
        """Return how long each recovered cart took, in whole minutes, in order."""
        recovered = [cart for cart in self.abandoned if self.is_recovered(cart)]
        waits = [cart["recovered_at"] - cart["first_abandoned_at"] for cart in recovered]
        return sorted(int(wait.total_seconds() // 60) for wait in waits)


def first_day(at: datetime, zone: tzinfo, by: str) -> date:
    """Return the first day of the day, week or month that a moment lies in."""
    day = at.astimezone(zone).date()
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[by]


def amount(minor: int, currency: str) -> str:
    return str(Money.from_minor(minor, currency))
