"""Klaviyo's "Started Checkout" events: answers of its events API, requests to it, and flat objects of the older API.

Where the address stands depends on how the events were taken: in the profile, in the properties, or nowhere.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from cartctl.domain.carts import CartSnapshot, Item
from cartctl.importers import fields, values
from cartctl.importers.format import JsonFormat, lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.records import WHOLE, CartLine, Context, Ignored, Line, Note
from cartctl.importers.values import Record

_PROPERTIES = (
    *("attributes.event_properties", "attributes.properties", "data.attributes.event_properties"),
    *("data.attributes.properties", "event_properties", "properties"),
)
_OWN = frozenset({"$value", "$event_id", "$extra", "CheckoutURL"})
_STARTED = frozenset({"started checkout", "checkout started"})
_METRIC = ("event", "metric.name", "metric_name", "event_name", "attributes.metric.data.attributes.name")
_IDS = ("attributes.unique_id", "id", "attributes.uuid", "uuid")
_IN_PERSON = ("profile", "customer_properties", "person", "attributes.profile.data.attributes", "attributes.profile")


def recognise(sample: Sample) -> bool:
    """The properties of a checkout have names of Klaviyo's own; other events may come first, with a metric's name."""
    first = sample.first
    return bool(first) and (
        not _OWN.isdisjoint(_properties(first))
        or isinstance(values.value(first, "attributes.event_properties"), dict)
        or (values.value(first, "event") is not None and not _OWN.isdisjoint(values.value(first, "properties") or ()))
    )


def read(file: JsonFile, context: Context) -> Iterator[Line]:
    reader = _Reader(context)
    return lines_of_records(file, reader.lines)


def _properties(record: Record) -> Record:
    for path in _PROPERTIES:
        if isinstance(found := values.value(record, path), dict):
            return found
    return {}


class _Reader:
    """What must be remembered from one record to the next."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._noted = False

    def lines(self, row: int, record: Record) -> Iterable[Line]:
        data = values.value(record, "data")
        event = data if isinstance(data, dict) and "attributes" in data else record
        metric = values.text(event, *_METRIC).lower()
        if metric and metric not in _STARTED:
            yield Ignored(row, "another metric")
            return
        cart, items = _cart(event, self._context)
        if cart.email is None and not self._noted:
            self._noted = True
            yield Note(
                "has events without an address: these carts count and are never written to; export the events with "
                "their profiles' e-mail addresses"
            )
        yield CartLine(row=row, key=cart.external_id, cart=cart, items=items, change=WHOLE)


def _cart(event: Record, context: Context) -> tuple[CartSnapshot, tuple[Item, ...]]:
    properties = _properties(event)
    at = fields.instant(_time(event), "datetime", context)
    email = fields.email(_of_person(event, "email", "$email") or values.text(properties, "email", "Email"), "email")
    id_ = values.text(properties, "$event_id") or values.text(event, *_IDS)
    currency = values.text(properties, "$currency_code", "currency", "Currency") or values.text(
        event, "attributes.value_currency", "value_currency"
    )
    total = values.text(properties, "$value") or values.text(event, "attributes.value", "value")
    link = values.text(
        properties, "CheckoutURL", "checkout_url", "$extra.responsive_checkout_url", "$extra.checkout_url"
    )
    cart = CartSnapshot(
        external_id=fields.identifier(id_ or values.made_id(email or "", at.isoformat()), "$event_id"),
        updated_at=at,
        created_at=at,
        email=email,
        phone=fields.phone(_of_person(event, "phone_number", "$phone_number"), context.country),
        first_name=fields.short(_of_person(event, "first_name", "$first_name")),
        last_name=fields.short(_of_person(event, "last_name", "$last_name")),
        locale=fields.locale(_of_person(event, "locale")),
        currency=fields.currency(currency, "currency", context),
        total=fields.amount(total, "$value"),
        cart_url=fields.url(link, "CheckoutURL"),
    )
    return cart, tuple(item for line in _lines(properties) for item in _item(line))


def _time(event: Record) -> str:
    paths = ("attributes.datetime", "datetime", "attributes.time", "time", "attributes.timestamp", "timestamp")
    return values.moment(values.text(event, *paths), "datetime")


def _of_person(event: Record, *names: str) -> str:
    return values.text(event, *(f"{where}.{name}" for where in _IN_PERSON for name in names))


def _lines(properties: Record) -> list[Any]:
    found = properties.get("Items") or properties.get("items") or values.value(properties, "$extra.line_items")
    if found is None:
        return []
    if not isinstance(found, list):
        raise fields.FieldError("Items", "is no list")
    return found


def _item(line: Any) -> tuple[Item, ...]:
    """Some shops' events list names alone."""
    if isinstance(line, str):
        return (Item(name=line.strip()),) if line.strip() else ()
    if not isinstance(line, dict):
        raise fields.FieldError("Items", "holds something that is neither an object nor a name")
    sku, product_id = values.text(line, "SKU", "sku"), values.text(line, "ProductID", "product_id")
    name = values.text(line, "ProductName", "name", "title") or sku or product_id
    if not name:
        return ()
    return (
        Item(
            name=name,
            variant=values.text(line, "Variant", "variant_title"),
            sku=fields.short(sku),
            product_id=fields.short(product_id),
            quantity=fields.quantity(values.text(line, "Quantity", "quantity"), "Items.Quantity"),
            unit_price=fields.amount(values.text(line, "ItemPrice", "price"), "Items.ItemPrice"),
            image_url=fields.url(values.text(line, "ImageURL"), "Items.ImageURL"),
            product_url=fields.url(values.text(line, "ProductURL"), "Items.ProductURL"),
        ),
    )


FORMAT = JsonFormat(
    name="klaviyo-started-checkout",
    kind="carts",
    needs="Klaviyo's Started Checkout events: a time and properties such as $value, CheckoutURL, Items",
    recognise=recognise,
    read=read,
)
