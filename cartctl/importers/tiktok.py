"""TikTok Shop's dumps: webhooks, order details and a middleware's cart events, of any kind in one file.

A record is a webhook (`{type, tts_notification_id, shop_id, timestamp, data}`), an order of the order API (or one of
its answers, `{code, data: {orders}}`), a cart event, or `{headers, body}`: one of them as it was posted, `body` being
its raw text. Source: Partner Center, "Webhooks overview" and "Order status change".
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from cartctl.domain.carts import OrderRecord
from cartctl.importers import jsonfile, tiktok_carts, tiktok_orders, tiktok_signature, values
from cartctl.importers.fields import FieldError
from cartctl.importers.format import JsonFormat, Line, lines_of_records
from cartctl.importers.jsonfile import JsonFile, Sample
from cartctl.importers.orders import Statuses
from cartctl.importers.records import Context, Delivery, Ignored, Note, OrderLine
from cartctl.importers.tiktok_orders import CHANNEL, UNPAID
from cartctl.importers.values import Record

DUPLICATE = "delivered before"
_REMEMBERED = 20_000
"""Notifications: TikTok repeats itself soon. A later repetition is found, and counted, in the database."""
_ORDER_STATUS_CHANGE = 1
_KNOWN_TYPES = range(1000)
"""Types are counted by number; beyond this nobody's file may make the report grow."""


def recognise(sample: Sample) -> bool:
    return (sample.envelope == "data.orders" and not sample.first) or _shape(sample.first) != "none"


def read(file: JsonFile, context: Context) -> Iterator[Line]:
    """Yield a line a record, and a note where cart events name no time.

    With `context.tiktok_app` every record must come with the headers and the raw body that prove where it is from.
    Order details have no signature, for the shop asked for them itself: a file that begins with one may hold them.
    """
    dump = _Dump(context, details_first=_shape(file.sample.first) in _ASKED_FOR)
    yield from lines_of_records(file, dump.lines)
    yield from dump.unknown.notes()


_Shape = Literal["posted", "webhook", "cart event", "detail", "answer", "none"]
_ASKED_FOR = ("detail", "answer")


def _shape(record: Record) -> _Shape:
    if isinstance(record.get("headers"), Mapping) and isinstance(record.get("body"), str | Mapping):
        return "posted"
    if _is_webhook(record):
        return "webhook"
    if tiktok_carts.is_cart_event(record):
        return "cart event"
    if tiktok_orders.is_detail(record):
        return "detail"
    return "answer" if _is_answer(record) else "none"


def _is_webhook(record: Record) -> bool:
    return _type(record) is not None and isinstance(record.get("data"), Mapping)


def _is_answer(record: Record) -> bool:
    return isinstance(record.get("code"), int) and not {"data", "request_id"}.isdisjoint(record)


def _type(record: Record) -> int | None:
    found = record.get("type")
    if isinstance(found, str) and found.isascii() and found.isdigit():
        return int(found[:9])
    return found if isinstance(found, int) and not isinstance(found, bool) else None


class _Dump:
    """One file on its way: its latest notifications, as 16 bytes each, and which unknown statuses it has shown."""

    def __init__(self, context: Context, *, details_first: bool) -> None:
        self._context = context
        self._details_first = details_first
        self._seen: set[bytes] = set()
        self._seen_before: set[bytes] = set()
        self._noted = False
        self.unknown = Statuses({})

    def lines(self, row: int, record: Record) -> Iterator[Line]:
        """Yield the record's one line, and a note the first time there is reason for one. Raises FieldError."""
        for line in self._lines(row, record):
            if isinstance(line, OrderLine) and line.order and line.order.status not in tiktok_orders.STATUSES:
                self.unknown.meaning(line.order.status.replace("_", " "))
            yield line

    def _lines(self, row: int, record: Record) -> Iterator[Line]:
        headers: Mapping[str, str] = {}
        shape = _shape(record)
        if shape == "posted":
            headers = _lower(record["headers"])
            record = self._opened(record["body"], headers)
            shape = _shape(record)
        elif self._context.tiktok_app and not (self._details_first and shape in _ASKED_FOR):
            raise FieldError(
                "", "is not signed: only a line that kept headers and raw body can be checked (--no-verify takes it)"
            )
        if shape == "webhook":
            yield self._webhook(row, record)
        elif shape == "cart event":
            if not self._noted and not tiktok_carts.has_time(record):
                self._noted = True
                yield Note(tiktok_carts.NO_TIME)
            yield tiktok_carts.line(row, record, headers, self._context)
        elif shape == "detail":
            yield tiktok_orders.line(row, record, self._context)
        elif shape == "answer":
            yield self._answer(row, record)
        else:
            raise FieldError("", "is no webhook, order detail or cart event of TikTok")

    def _opened(self, body: str | Record, headers: Mapping[str, str]) -> Record:
        """Return what was posted; where signatures are asked for, only once its own has been checked."""
        if self._context.tiktok_app:
            if not isinstance(body, str):
                raise FieldError("body", "was not kept as it was posted, as a text: its signature cannot be checked")
            raw = body.encode("utf-8", "surrogatepass")
            if fault := tiktok_signature.fault(self._context.tiktok_app, headers, raw):
                raise FieldError(f"headers.{fault[0]}", fault[1])
        if not isinstance(body, str):
            return body
        try:
            found = jsonfile.loads(body)
        except ValueError as error:
            raise FieldError("body", str(error)) from None
        if not isinstance(found, Mapping):
            raise FieldError("body", "is no object ({...})")
        return found

    def _webhook(self, row: int, webhook: Record) -> Line:
        type_ = _type(webhook)
        if type_ != _ORDER_STATUS_CHANGE:
            return Ignored(row, f"webhook of type {type_}" if type_ in _KNOWN_TYPES else "webhook of an unknown type")
        id_ = tiktok_orders.identifier(webhook, "data.order_id")
        status = tiktok_orders.status(webhook, "data.order_status")
        if status == UNPAID:
            return Ignored(row, "unpaid: becomes a cart with the order's details")
        at = tiktok_orders.moment(webhook, "data.update_time", self._context)
        at = at or tiktok_orders.moment(webhook, "timestamp", self._context)
        if at is None:
            raise FieldError("data.update_time", "is blank")
        digest = _digest(webhook, self._context.store, id_, status)
        if digest in self._seen or digest in self._seen_before:
            return Ignored(row, DUPLICATE)
        if len(self._seen) >= _REMEMBERED:
            self._seen, self._seen_before = set(), self._seen
        self._seen.add(digest)
        order = OrderRecord(
            external_id=id_,
            placed_at=at,
            updated_at=at,
            channel=CHANNEL,
            status=status,
            currency=self._context.currency,
            total=None,
            cart_ref=id_,
        )
        return OrderLine(row=row, key=id_, order=order, delivery=Delivery(digest, status, at))

    def _answer(self, row: int, answer: Record) -> Line:
        """Read an answer in which `JsonFile` found no orders to take out, or one that was posted with headers."""
        code = values.text(answer, "code")
        if code != "0":
            raise FieldError("code", f"is {code}: TikTok refused the request, and the answer holds no orders")
        orders = values.records(answer, "data.orders")
        if not orders:
            return Ignored(row, "an answer without orders")
        if len(orders) > 1:
            raise FieldError(
                "data.orders", f"holds {len(orders)} orders; of what was posted with headers one at a time is read"
            )
        return tiktok_orders.line(row, orders[0], self._context)


def _lower(headers: Mapping[str, Any]) -> dict[str, str]:
    """Header names in lower case; of one that was kept as a list the first."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        first = value[0] if isinstance(value, list) and value else value
        found[name.lower()] = values.text({"header": first}, "header") if isinstance(first, str | int) else ""
    return found


def _digest(webhook: Record, store: str, order_id: str, status: str) -> bytes:
    """What makes it the same notification of type 1: its id; older ones have none, but shop, order, state and time."""
    notification = values.text(webhook, "tts_notification_id")
    parts = (
        ["id", notification]
        if notification
        else ["state", values.text(webhook, "shop_id"), order_id, status, values.text(webhook, "data.update_time")]
    )
    return hashlib.sha256("\n".join([store, *parts]).encode("utf-8", "surrogatepass")).digest()[:16]


FORMAT = JsonFormat(
    name="tiktok",
    kind="tiktok",
    needs="webhooks (type, data), order details (id, status, create_time), cart events (event_type, cart_data)",
    recognise=recognise,
    read=read,
)
