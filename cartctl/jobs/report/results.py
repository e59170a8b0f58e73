"""What reports return: numbers, frozen. What each of them means stands in `definitions`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cartctl.domain.money import Money
from cartctl.domain.times import Bound


def ratio(part: int, whole: int) -> float | None:
    """Return a rate from 0 to 1; None of nothing."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class Takings:
    """What orders came to, in one currency; net is after refunds and cancellations."""

    gross: Money
    net: Money

    def as_json(self) -> dict[str, str]:
        return {"gross": str(self.gross), "net": str(self.net)}


@dataclass(frozen=True, slots=True)
class Tier:
    """Orders that are counted in one way, each once, and what they came to by currency."""

    orders: int = 0
    revenue: Mapping[str, Takings] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "orders": self.orders,
            "revenue": {currency: takings.as_json() for currency, takings in self.revenue.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Carts of one channel, store, currency or period; or of all."""

    carts: int = 0
    abandoned: int = 0
    recovered: int = 0
    immature: int = 0
    """Abandoned so lately that they may still be recovered, or are."""
    left: Mapping[str, Money] = field(default_factory=dict)
    """What the abandoned carts were worth, by the carts' own currency."""
    bought: Tier = Tier()
    """The orders that closed the recovered carts."""
    clicked: Tier = Tier()
    """Of these, those within the attribution window of a likely human click on our link."""
    sent: Tier = Tier()
    """Of these, those within the attribution window of a message."""

    @property
    def recovery_rate(self) -> float | None:
        return ratio(self.recovered, self.abandoned)

    def as_json(self) -> dict[str, Any]:
        return {
            "carts": self.carts,
            "abandoned": self.abandoned,
            "recovered": self.recovered,
            "recovery_rate": self.recovery_rate,
            "immature": self.immature,
        }

    def revenue_json(self) -> dict[str, Any]:
        """Money by currency: left in carts, and what recovered carts brought."""
        found = {}
        for currency in sorted(self.left.keys() | self.bought.revenue.keys()):
            nothing = Money.from_minor(0, currency)
            takings = self.bought.revenue.get(currency, Takings(nothing, nothing))
            found[currency] = {
                "abandoned": str(self.left.get(currency, nothing)),
                "recovered_gross": str(takings.gross),
                "recovered_net": str(takings.net),
            }
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount:
    """One step of a sequence, over the messages to the carts of the period. Its orders had this message last."""

    sequence: str
    step: str
    sent: int
    """Messages that the transport accepted."""
    recovered: Tier
    """Bought within the attribution window after the message."""
    clicked: Tier
    """Bought within the attribution window after a likely human click on its link."""
    late: int
    """Messages to who had by then bought, the order having come later."""
    immature: int
    """Messages sent so lately that their orders may still come."""

    @property
    def rate(self) -> float | None:
        return ratio(self.recovered.orders, self.sent)

    def as_json(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "step": self.step,
            "sent": self.sent,
            "recovered": self.recovered.orders,
            "clicked": self.clicked.orders,
            "immature": self.immature,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of messages, each counted once a column, as far as the provider and the endpoint tell."""

    accepted: int = 0
    delivered: int = 0
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    opened: int = 0
    opened_by_machine: int = 0
    """By machines alone."""
    clicked: int = 0
    """A link followed by a likely human."""
    clicked_raw: int = 0
    """A link followed by anybody, machines too."""
    reached: int = 0
    """What rates but that of bounces are of: delivered, or accepted where the transport told of no delivery."""

    @property
    def basis(self) -> str:
        """What rates are of: "delivered", "accepted", or "both" where two transports differ."""
        if self.reached == self.accepted and not self.delivered:
            return "accepted"
        return "delivered" if self.reached == self.delivered else "both"

    def whole(self, name: str) -> int:
        """Return what the rate of this column is of: what bounced was accepted, and never delivered."""
        return self.accepted if name == "bounced" else self.reached

    def rate(self, name: str) -> float | None:
        return ratio(getattr(self, name), self.whole(name))

    def as_json(self) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in DELIVERED}
        rates = {f"{name}_rate": self.rate(name) for name in RATED}
        rates["open_rate"] = self.rate("opened") if self.opened or self.opened_by_machine else None
        return {**counts, "reached": self.reached, "basis": self.basis, **rates}


DELIVERED = (
    *("accepted", "delivered", "bounced", "complained", "unsubscribed"),
    *("opened", "opened_by_machine", "clicked", "clicked_raw"),
)
RATED = ("bounced", "complained", "unsubscribed", "clicked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverability:
    """By the transport that took the messages, and all together."""

    all: Delivered
    by_transport: Mapping[str, Delivered]

    def as_json(self) -> dict[str, Any]:
        rows = [{"transport": name, **row.as_json()} for name, row in self.by_transport.items()]
        return {"all": self.all.as_json(), "by_transport": rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """A step with what became of its messages."""

    count: StepCount
    delivery: Delivered

    @property
    def per_recipient(self) -> Mapping[str, Money]:
        """Net revenue of the orders after its messages, by message that reached somebody."""
        reached = self.delivery.reached
        return {
            currency: Money.of(takings.net.amount / Decimal(reached), currency)
            for currency, takings in self.count.recovered.revenue.items()
            if reached
        }

    def as_json(self) -> dict[str, Any]:
        return {
            **self.count.as_json(),
            "recovery_rate": self.count.rate,
            "after_message": self.count.recovered.as_json(),
            "after_click": self.count.clicked.as_json(),
            "per_recipient": {currency: str(money) for currency, money in self.per_recipient.items()},
            "delivery": self.delivery.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Contacts that one drawing put together, each counted by its first eligible cart in the period."""

    contacts: int = 0
    converted: int = 0
    """Of them, those whose cart was recovered."""
    immature: int = 0

    @property
    def rate(self) -> float | None:
        return ratio(self.converted, self.contacts)

    def as_json(self) -> dict[str, Any]:
        return {
            "contacts": self.contacts,
            "converted": self.converted,
            "rate": self.rate,
            "immature": self.immature,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """What the mails of one sequence brought back that would not have come by itself."""

    sequence: str
    treated: Arm
    holdout: Arm
    low: float | None
    high: float | None
    """The Newcombe interval (95 %) of the difference of the rates, each from -1 to 1; None where an arm is empty."""
    more_needed: int
    """About so many more carts until the interval leaves zero out, if the rates stay, and enough count; 0 where so."""
    sentence: str

    @property
    def difference(self) -> float | None:
        treated, holdout = self.treated.rate, self.holdout.rate
        return None if treated is None or holdout is None else treated - holdout

    @property
    def incremental(self) -> float | None:
        """How many of the treated came back because of the mails: the difference times their number."""
        return None if self.difference is None else self.difference * self.treated.contacts

    @property
    def is_early(self) -> bool:
        """Whether `incremental` may still be chance, and is told to nobody who does not look for it."""
        return self.incremental is None or self.more_needed > 0

    def as_json(self) -> dict[str, Any]:
        return {
            "sequence": self.sequence,
            "treated": self.treated.as_json(),
            "holdout": self.holdout.as_json(),
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "incremental": self.incremental,
            "more_needed": self.more_needed,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTimes:
    """How long after the abandonment recovered carts were bought, to the minute. None where none was."""

    carts: int
    lower_quartile: timedelta | None
    median: timedelta | None
    upper_quartile: timedelta | None
    within: Mapping[timedelta, int]
    """How many were bought before each of these, and not before the one ahead of it."""

    def as_json(self) -> dict[str, Any]:
        quartiles = {name: getattr(self, name) for name in ("lower_quartile", "median", "upper_quartile")}
        return {
            "carts": self.carts,
            **{f"{name}_seconds": None if at is None else at.total_seconds() for name, at in quartiles.items()},
            "within": [{"seconds": edge.total_seconds(), "carts": carts} for edge, carts in self.within.items()],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponCount:
    """One coupon: its pool's name, or the code itself where all were shown the same."""

    coupon: str
    shown: int
    """Messages accepted that showed a code."""
    bought: int
    """Carts of these messages that were recovered."""
    redeemed: Tier
    """Orders of these carts that bear the code they were shown."""

    def as_json(self) -> dict[str, Any]:
        return {"coupon": self.coupon, "shown": self.shown, "bought": self.bought, "redeemed": self.redeemed.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One period's numbers: what `cartctl report` shows by itself."""

    since: Bound
    until: Bound
    all: Counted
    by_channel: Mapping[str, Counted]
    by_period: Mapping[date, Counted]
    """Days, weeks or months by their first day, in order; empty where none were asked for."""
    by_step: Sequence[StepCount]
    lift: Sequence[Lift]
    """Of the sequences that have a holdout."""
    includes_outbox: bool

    @property
    def late_orders(self) -> int:
        return sum(step.late for step in self.by_step)

    def as_json(self) -> dict[str, Any]:
        """Return the documented JSON object: money as decimal strings, rates as numbers from 0 to 1."""
        found: dict[str, Any] = {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            **self.all.as_json(),
            "late_orders": self.late_orders,
            "includes_outbox": self.includes_outbox,
            "revenue": self.all.revenue_json(),
            "attribution": {
                "clicked": self.all.clicked.as_json(),
                "sent": self.all.sent.as_json(),
                "incremental": [lift.as_json() for lift in self.lift],
            },
            "by_step": [row.as_json() for row in self.by_step],
            "by_channel": [{"channel": channel, **row.as_json()} for channel, row in self.by_channel.items()],
        }
        if self.by_period:
            found["by_period"] = [
                {"begins": begins.isoformat(), **row.as_json(), "revenue": row.revenue_json()}
                for begins, row in self.by_period.items()
            ]
        return found
