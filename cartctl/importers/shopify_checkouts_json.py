"""Shopify's checkouts and carts as JSON: the REST list, a webhook's body, GraphQL nodes, and each of them line by line.

Fields as in the documentation of REST `checkouts`, of the topics checkouts/* and carts/* and of GraphQL
`AbandonedCheckout`. The cart's id is the checkout's number, as in the CSV export. A checkout that was completed is an
order: it closes the cart, but does not know its order's id (`purchases.STAND_IN`) and leaves the amount to the order.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from cartctl.domain.carts import CartSnapshot, Consent, Item, OrderRecord
from cartctl.domain.purchases import STAND_IN
from cartctl.importers import fields, values
from cartctl.importers.fields import FieldError
from cartctl.importers.format import JsonFormat, lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.orders import Kept
from cartctl.importers.records import WHOLE, CartLine, Context, Ignored, Line, Note, OrderLine
from cartctl.importers.values import Record

_ORDERS_OWN = frozenset({"financial_status", "order_number", "displayFinancialStatus"})
_CHECKOUTS_OWN = frozenset({"abandoned_checkout_url", "completed_at", "cart_token", "abandonedCheckoutUrl"})
_ENVELOPES = ("checkouts", "data.abandonedCheckouts.edges", "data.abandonedCheckouts.nodes")
_LINK = ("abandoned_checkout_url", "abandonedCheckoutUrl")
_GID = "gid://shopify/AbandonedCheckout/"
_CONSENT = {"subscribed": Consent.GRANTED, "unsubscribed": Consent.REFUSED}
"""`not_subscribed` and `pending` are no answer; `unsubscribed` is somebody who was subscribed and refused."""


def recognise(sample: Sample) -> bool:
    first = sample.first
    return sample.envelope in _ENVELOPES or _is_checkout(first) or _is_cart(first) or _parent(first).startswith(_GID)


def read(file: JsonFile, context: Context) -> Iterator[Line]:
    reader = _Reader(context)
    return lines_of_records(file, reader.lines)


def _is_order(record: Record) -> bool:
    return not _ORDERS_OWN.isdisjoint(record)


def _is_checkout(record: Record) -> bool:
    if _is_order(record):
        return False
    has_items = "line_items" in record or "lineItems" in record
    return str(record.get("id")).startswith(_GID) or (has_items and not _CHECKOUTS_OWN.isdisjoint(record))


def _is_cart(record: Record) -> bool:
    """A webhook of a cart knows its token and its lines, and nobody's name."""
    return {"token", "line_items"} <= record.keys() and not (_is_order(record) or _is_checkout(record))


def _parent(record: Record) -> str:
    """In the result of a bulk operation a line item stands on a line of its own, after its checkout."""
    return str(record.get("__parentId") or "")


class _Reader:
    """What must be remembered from one record to the next."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._completed: set[str] = set()
        self._has_carts = False

    def lines(self, row: int, record: Record) -> Iterable[Line]:
        if _parent(record):
            yield self._line_item(row, record)
        elif _is_order(record):
            raise FieldError("", "is an order: import the file with `cartctl import orders` too")
        elif _is_cart(record):
            if not self._has_carts:
                self._has_carts = True
                yield Note(
                    "carts/* webhooks name no shopper: these carts count and are never written to; a checkout made of "
                    "one is a cart of its own"
                )
            yield _cart_line(row, _token(record), _cart(record, self._context), record)
        elif values.text(record, "completed_at", "completedAt"):
            id_ = _id(record)
            self._completed.add(id_)
            yield _bought(row, id_, record, self._context)
        else:
            yield _cart_line(row, _id(record), _checkout(record, self._context), record)

    def _line_item(self, row: int, record: Record) -> Line:
        key = _number(_parent(record), "__parentId")
        if key in self._completed:
            return Ignored(row, "line of a completed checkout")
        return CartLine(row=row, key=key, cart=None, items=_item(record))


def _cart_line(row: int, key: str, cart: CartSnapshot, record: Record) -> CartLine:
    lines = values.records(record, "line_items", "lineItems")
    items = tuple(item for line in lines for item in _item(line, "line_items."))
    return CartLine(row=row, key=key, cart=cart, items=items, change=WHOLE)


def _checkout(record: Record, context: Context) -> CartSnapshot:
    total, currency = _money(record)
    first_name, last_name = _names(record)
    return CartSnapshot(
        external_id=_id(record),
        updated_at=_instant(record, context, "updated_at", "updatedAt", "created_at", "createdAt"),
        created_at=_instant(record, context, "created_at", "createdAt", "updated_at", "updatedAt"),
        email=fields.email(_address(record), "email"),
        phone=_phone(record, context.country),
        first_name=first_name,
        last_name=last_name,
        locale=fields.locale(values.text(record, "customer_locale", "customer.locale")),
        currency=fields.currency(currency, "currency", context),
        total=fields.amount(total, "total_price"),
        cart_url=fields.url(values.text(record, *_LINK), _LINK[0]),
        checkout_token=fields.short(values.text(record, "token")),
        cart_token=fields.short(values.text(record, "cart_token")),
        consent=_consent(record),
    )


def _cart(record: Record, context: Context) -> CartSnapshot:
    lines = values.records(record, "line_items")
    currencies = (values.text(line, "price_set.shop_money.currency_code") for line in lines)
    return CartSnapshot(
        external_id=_token(record),
        updated_at=_instant(record, context, "updated_at", "created_at"),
        created_at=_instant(record, context, "created_at", "updated_at"),
        currency=fields.currency(next(filter(None, currencies), ""), "currency", context),
        cart_token=_token(record),
    )


def _bought(row: int, id_: str, record: Record, context: Context) -> OrderLine:
    kept = Kept()
    order = OrderRecord(
        external_id=fields.identifier(f"{STAND_IN}{id_}", "id"),
        placed_at=_instant(record, context, "completed_at", "completedAt"),
        status="completed",
        email=kept.email(_address(record), "email"),
        phone=_phone(record, context.country),
        currency=kept.money(None, _money(record)[1], "currency", context)[1],
        total=None,
        cart_ref=id_,
        checkout_token=fields.short(values.text(record, "token")),
        cart_token=fields.short(values.text(record, "cart_token")),
        consent=_consent(record),
    )
    return kept.line(OrderLine(row=row, key=order.external_id, order=order))


def _id(record: Record) -> str:
    return _number(values.text(record, "id"), "id")


def _number(text: str, column: str) -> str:
    return fields.identifier(_last(text), column)


def _last(text: str) -> str:
    """Return 37107488451315 of gid://shopify/AbandonedCheckout/37107488451315?key=…; anything else as it is."""
    return text.partition("?")[0].rpartition("/")[2] if text.startswith("gid:") else text


def _token(record: Record) -> str:
    return fields.identifier(values.text(record, "token"), "token")


def _instant(record: Record, context: Context, *paths: str) -> datetime:
    return fields.instant(values.text(record, *paths), paths[0], context)


def _address(record: Record) -> str:
    return values.text(record, "email", "customer.email", "customer.defaultEmailAddress.emailAddress")


def _phone(record: Record, country: str | None) -> str | None:
    """The checkout's own, else that of an address in its own country, else the customer's."""
    if found := fields.phone(values.text(record, "phone"), country):
        return found
    for address in ("billing_address", "shipping_address", "billingAddress", "shippingAddress"):
        own = values.text(record, f"{address}.country_code", f"{address}.countryCodeV2")
        if found := fields.phone(values.text(record, f"{address}.phone"), own or country):
            return found
    return fields.phone(values.text(record, "customer.phone", "customer.defaultPhoneNumber.phoneNumber"), country)


def _names(record: Record) -> tuple[str, str]:
    people = (
        ("customer", "first_name", "last_name"),
        ("customer", "firstName", "lastName"),
        ("billing_address", "first_name", "last_name"),
        ("billingAddress", "firstName", "lastName"),
        ("shipping_address", "first_name", "last_name"),
        ("shippingAddress", "firstName", "lastName"),
    )
    for who, first, last in people:
        if found := values.text(record, f"{who}.{first}"):
            return fields.short(found), fields.short(values.text(record, f"{who}.{last}"))
    return "", ""


def _money(record: Record) -> tuple[str, str]:
    """Return the total and its currency: the shop's, as the CSV export has it, else the shopper's."""
    if found := values.text(record, "total_price"):
        return found, values.text(record, "currency", "total_price_set.shop_money.currency_code")
    for path in ("totalPriceSet.shopMoney", "totalPriceSet.presentmentMoney"):
        if found := values.text(record, f"{path}.amount"):
            return found, values.text(record, f"{path}.currencyCode")
    return "", values.text(record, "currency")


def _consent(record: Record) -> Consent:
    """A ticked box is consent, an unticked one says nothing, as in the CSV export; an unsubscription is a refusal."""
    state = values.text(
        record,
        "customer.email_marketing_consent.state",
        "customer.defaultEmailAddress.marketingState",
        "customer.emailMarketingConsent.marketingState",
    )
    said = _CONSENT.get(state.lower(), Consent.UNKNOWN)
    ticked = values.text(record, "buyer_accepts_marketing") == "true"
    return Consent.GRANTED if ticked and said == Consent.UNKNOWN else said


def _item(line: Record, where: str = "") -> tuple[Item, ...]:
    """The price is per unit. A custom line has no product; one without a name or an id is no line."""
    sku, product_id = values.text(line, "sku"), _last(values.text(line, "product_id", "product.id"))
    name = values.text(line, "title", "name", "presentment_title") or sku or product_id
    if not name:
        return ()
    prices = ("price", "originalUnitPriceSet.shopMoney.amount", "originalUnitPriceSet.presentmentMoney.amount")
    return (
        Item(
            name=name,
            variant=values.text(line, "variant_title", "variantTitle"),
            sku=fields.short(sku),
            product_id=fields.short(product_id),
            quantity=fields.quantity(values.text(line, "quantity"), f"{where}quantity"),
            unit_price=fields.amount(values.text(line, *prices), f"{where}price"),
            image_url=fields.url(values.text(line, "image.url", "image.src"), f"{where}image"),
        ),
    )


FORMAT = JsonFormat(
    name="shopify-checkouts-json",
    kind="carts",
    needs="Shopify's checkouts, REST or GraphQL, or the bodies of checkouts/* and carts/* webhooks",
    recognise=recognise,
    read=read,
)
