"""What a cart, its items and an order are, and which of two sightings of one cart is the truth."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class CartStatus(StrEnum):
    """Where a cart stands. See "Words" in the README."""

    ACTIVE = "active"
    ABANDONED = "abandoned"
    RECOVERED = "recovered"
    """Abandoned, then bought."""
    CONVERTED = "converted"
    """Bought before it was ever abandoned."""
    EXPIRED = "expired"
    """Too old when it was detected: counted as abandoned, never written to."""


class Consent(StrEnum):
    """May we write? An unticked box is `unknown`; only an explicit no is `refused`."""

    GRANTED = "granted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One line of a cart. `unit_price` is in the cart's currency; None when the export has none."""

    name: str
    variant: str = ""
    sku: str = ""
    product_id: str = ""
    quantity: int = 1
    unit_price: Decimal | None = None
    image_url: str = ""
    product_url: str = ""

    @property
    def line(self) -> tuple[str, str, str, str]:
        """What makes it the same line in another sighting of the cart."""
        return (self.product_id, self.sku, self.variant, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CartSnapshot:
    """One sighting of a cart in an export: all that was known of it at `updated_at` (aware UTC)."""

    external_id: str
    updated_at: datetime
    created_at: datetime | None = None
    channel: str = "website"
    email: str | None = None
    phone: str | None = None
    first_name: str = ""
    last_name: str = ""
    locale: str = ""
    timezone: str = ""
    currency: str
    total: Decimal | None = None
    cart_url: str = ""
    checkout_token: str = ""
    cart_token: str = ""
    consent: Consent = Consent.UNKNOWN
    said: tuple[tuple[str, Consent, datetime], ...] = ()
    """Address, answer and time of everything said about mail in any sighting, older ones and other addresses too."""
    first_seen_at: datetime | None = None
    """The earliest time that any sighting names."""
    items: tuple[Item, ...] = ()
    former: frozenset[tuple[str, str]] = frozenset()
    """`email`, `phone`, `checkout_token` or `cart_token` and its value, of other sightings: purchases may bear them."""

    @property
    def identities(self) -> frozenset[tuple[str, str]]:
        """What this sighting itself can be found by, in the same shape."""
        own = {name: getattr(self, name) for name in ("email", "phone", "checkout_token", "cart_token")}
        return frozenset((name, value) for name, value in own.items() if value)

    @property
    def worth(self) -> Decimal:
        """The cart's own total, else the sum of its lines."""
        if self.total is not None:
            return self.total
        return sum((item.unit_price * item.quantity for item in self.items if item.unit_price is not None), Decimal(0))

    @property
    def is_empty(self) -> bool:
        """Nothing in it: no item of quantity 1 or more, and no positive total."""
        return not any(item.quantity for item in self.items) and self.worth <= 0


def same_moment(sightings: Sequence[CartSnapshot]) -> CartSnapshot:
    """Merge sightings of one cart that carry the same `updated_at`, the same whichever came first.

    Nothing says which of them is newer, so the fuller one wins, field by field: a value over a blank, the greater of
    two values, every line that any of them has, in the greatest quantity.
    """
    first, *others = sightings
    if all(other == first for other in others):
        return first
    merged = {
        name: max(
            (value for sighting in sightings if (value := getattr(sighting, name)) not in (None, "")),
            key=lambda value: (value, str(value)),
            default=getattr(first, name),
        )
        for name in _MERGED
    }
    return replace(first, **merged, items=_all_lines(sighting.items for sighting in sightings))


def _all_lines(lists: Iterable[tuple[Item, ...]]) -> tuple[Item, ...]:
    """Keep every line once; where one sighting has a line twice, twice."""
    kept: dict[tuple[tuple[str, str, str, str], int], Item] = {}
    for items in lists:
        seen: Counter[tuple[str, str, str, str]] = Counter()
        for item in sorted(items, key=_greatness, reverse=True):
            place = (item.line, seen[item.line])
            seen[item.line] += 1
            kept[place] = max(kept.get(place, item), item, key=_greatness)
    return in_display_order(kept.values())


def _greatness(item: Item) -> tuple[object, ...]:
    return (item.quantity, item.unit_price or Decimal(0), item.image_url, item.product_url, item.line)


def in_display_order(items: Iterable[Item]) -> tuple[Item, ...]:
    """The dearest line first: the order of rows in a file says nothing."""
    return tuple(sorted(items, key=lambda item: (-(item.unit_price or Decimal(0)) * item.quantity, _greatness(item))))


def newest_consent(signals: Iterable[tuple[Consent, datetime]]) -> tuple[Consent, datetime | None]:
    """Return the newest grant or refusal and its time; of two at one time the refusal. Unknown says nothing."""
    known = [(at, consent == Consent.REFUSED, consent) for consent, at in signals if consent != Consent.UNKNOWN]
    if not known:
        return Consent.UNKNOWN, None
    at, _, consent = max(known)
    return consent, at


_MERGED = tuple(
    field.name
    for field in fields(CartSnapshot)
    if field.name
    not in ("external_id", "updated_at", "created_at", "items", "consent", "said", "first_seen_at", "former")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """One order as an export shows it. `refs` name carts: see `purchases.names`."""

    external_id: str
    placed_at: datetime
    updated_at: datetime | None = None
    channel: str = "website"
    status: str = ""
    email: str | None = None
    phone: str | None = None
    currency: str
    total: Decimal | None
    """None: the file does not say. What another file says is kept."""
    refunded: Decimal = Decimal(0)
    cart_ref: str = ""
    checkout_token: str = ""
    cart_token: str = ""
    coupon: str = ""
    consent: Consent = Consent.UNKNOWN
    earlier: tuple[str, ...] = ()
    """Other statuses in which the same file shows it: what was once bought stays bought."""

    @property
    def can_match(self) -> bool:
        """Whether anything in it could ever close a cart."""
        return any((self.email, self.phone, self.cart_ref, self.checkout_token, self.cart_token))
