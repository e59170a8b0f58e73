"""What shops and providers post: verified, handed to `jobs.take_in`, and answered once it is on disk.

A provider sends again whatever is not answered with 2xx. 401: the key or the signature is not right, or too old. 404:
no key is configured here. 422: the body is none that could ever be taken. 503: the database is away; later again.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from cartctl.errors import DatabaseError, UnknownSequenceError, UsageError
from cartctl.importers import contacts as contact_lists
from cartctl.importers import jsonfile, tiktok_signature
from cartctl.importers.contacts import ContactLine
from cartctl.importers.fields import FieldError
from cartctl.jobs import enroll as enroll_job
from cartctl.jobs.enroll import Outcome
from cartctl.jobs.posted import SHOPIFY_CHECKOUTS, SHOPIFY_ORDERS, TIKTOK, TRACK, Body
from cartctl.web import signatures
from cartctl.web.service import Service

router = APIRouter()
PATIENCE_SECONDS = 4.0
"""Shopify waits for five. What is answered 503 may still be applied; the same body again then changes nothing."""
_TIKTOK_HEADERS = (tiktok_signature.WEBHOOK_HEADER, tiktok_signature.CART_HEADER, tiktok_signature.TIME_HEADER)
_SHOPIFY = {"checkouts": SHOPIFY_CHECKOUTS, "carts": SHOPIFY_CHECKOUTS, "orders": SHOPIFY_ORDERS}
"""The feed of a topic (`orders/create`), by its first half."""
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_EVENTS = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "array"}}}}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    401: {"description": "The key or the signature is not right, or too old"},
    404: {"description": "Not set up here"},
    422: {"description": "A body that could never be taken"},
    429: {"description": "Too many requests"},
    503: {"description": "The database is away"},
}


@router.post("/api/cart/track", openapi_extra=_BODY, responses=ANSWERS)
async def track(request: Request) -> JSONResponse:
    """Take a shop's cart as it is now: the fields of cartctl's own carts as JSON."""
    service = _service(request)
    if not service.keys.track:
        return not_set_up(service, request, "stores.NAME.api_key")
    store = signatures.store_of(signatures.bearer(request.headers.get("authorization", "")), service.keys.track)
    if store is None:
        return unknown(service, request, "the key in Authorization: Bearer is none of a store's")
    body = await request.body()
    if not body.strip():
        return answer(422, error="the body is empty: expected a cart as JSON")
    return await _take(service, TRACK, store, body)


@router.post("/api/cart/webhook/tiktok", openapi_extra=_BODY, responses=ANSWERS)
async def tiktok(request: Request) -> JSONResponse:
    """Take a webhook of TikTok Shop's, or a cart event of the shop's own middleware."""
    service = _service(request)
    app = service.keys.tiktok
    if app is None:
        return not_set_up(service, request, "tiktok.app_key and tiktok.app_secret")
    headers = {name: request.headers[name] for name in _TIKTOK_HEADERS if name in request.headers}
    body = await request.body()
    if fault := tiktok_signature.fault(app, headers, body):
        return unknown(service, request, f"header {fault[0]}: not the signature of this body")
    posted_at = headers.get(tiktok_signature.TIME_HEADER, "")
    if not signatures.is_fresh_tiktok(posted_at, service.clock(), tiktok_signature.TOLERANCE):
        return unknown(service, request, f"header {tiktok_signature.TIME_HEADER}: too old, or a clock is wrong")
    try:
        text, record = body.decode(), jsonfile.loads_loosely(body)
    except ValueError:
        return answer(422, error="the body is no JSON")
    store = _tiktok_store(service, record)
    if store is None:
        return answer(422, error="whose shop is it? stores.NAME.tiktok_shop_id tells")
    return await _take(service, TIKTOK, store, _json({"headers": headers, "body": text}))


def _tiktok_store(service: Service, record: Any) -> str | None:
    """Return the store that names the record's shop; without a name, the only store that sells on TikTok, or at all."""
    stores = service.loaded.settings.stores
    if len(stores) < 2:
        return next(iter(stores), "main")
    selling = {store.tiktok_shop_id: name for name, store in stores.items() if store.tiktok_shop_id}
    shop = record.get("shop_id") if isinstance(record, dict) else None
    if shop is None:
        return next(iter(selling.values())) if len(selling) == 1 else None
    return selling.get(str(shop))


@router.post("/api/webhook/shopify", openapi_extra=_BODY, responses=ANSWERS)
async def shopify(request: Request) -> JSONResponse:
    """Take a webhook of Shopify's: checkouts, carts, orders. Other topics are answered and left."""
    service = _service(request)
    keys = service.keys
    if not keys.shopify:
        return not_set_up(service, request, "stores.NAME.shopify_secret")
    signature = request.headers.get("x-shopify-hmac-sha256", "")
    if not signature:
        return unknown(service, request, "header X-Shopify-Hmac-Sha256 is missing")
    body = await request.body()
    signed_by = signatures.shopify_stores(keys, body, signature)
    if not signed_by:
        return unknown(service, request, "header X-Shopify-Hmac-Sha256: not the signature of this body")
    store = signatures.shopify_store(keys, signed_by, request.headers.get("x-shopify-shop-domain", ""))
    if store is None:
        return unknown(service, request, "X-Shopify-Shop-Domain is among no store's hosts: stores.NAME.hosts tells")
    kind, _, event = request.headers.get("x-shopify-topic", "").partition("/")
    if kind not in _SHOPIFY or event == "delete":
        return answer(200, outcome="nothing")
    return await _take(service, _SHOPIFY[kind], store, body)


@router.post("/api/webhook/sendgrid", openapi_extra=_EVENTS, responses=ANSWERS)
async def sendgrid(request: Request) -> JSONResponse:
    """Take what SendGrid's signed event webhook posts."""
    service = _service(request)
    if not service.keys.sendgrid:
        return not_set_up(service, request, "sendgrid.webhook_key")
    signature, timestamp = (
        request.headers.get(f"x-twilio-email-event-webhook-{name}", "") for name in ("signature", "timestamp")
    )
    if not signature or not timestamp:
        return unknown(service, request, "the signature's headers are missing: enable the signed event webhook")
    body = await request.body()
    if fault := signatures.sendgrid_fault(service.keys, body, signature, timestamp, service.clock()):
        return unknown(service, request, fault)
    return await _take(service, "sendgrid", "", body)


@router.post("/api/webhook/resend", openapi_extra=_BODY, responses=ANSWERS)
async def resend(request: Request) -> JSONResponse:
    """Take what Resend's webhook posts, signed by Svix."""
    service = _service(request)
    if not service.keys.resend:
        return not_set_up(service, request, "resend.webhook_secret")
    if "svix-signature" not in request.headers:
        return unknown(service, request, "header svix-signature is missing")
    body = await request.body()
    if fault := signatures.svix_fault(service.keys, body, request.headers, service.clock()):
        return unknown(service, request, fault)
    return await _take(service, "resend", "", body)


@router.post("/api/enroll/{sequence}", openapi_extra=_BODY, responses=ANSWERS)
async def enroll(sequence: str, request: Request) -> JSONResponse:
    """Enroll one contact, as `cartctl enroll` does: the fields of a list of contacts as JSON."""
    service = _service(request)
    if not service.keys.track:
        return not_set_up(service, request, "stores.NAME.api_key")
    body = await request.body()
    given, signature = request.headers.get("authorization", ""), request.headers.get(signatures.OWN, "")
    store = signatures.store_of(signatures.bearer(given), service.keys.track)
    if store is None and signature:
        store = signatures.own_store(service.keys, body, signature)
    if store is None:
        return unknown(service, request, "neither the key in Authorization: Bearer nor the signature is a store's")
    if wait := service.per_key.wait(("enroll", store)):
        return too_many(wait)
    try:
        record = jsonfile.loads(body.decode())
        if not isinstance(record, dict):
            raise ValueError
        line = contact_lists.of_record(1, record)
    except FieldError as error:
        return answer(422, error=f"{error.column}: {error.reason}")
    except ValueError:
        return answer(422, error="the body is no JSON object")
    try:
        done = await asyncio.to_thread(_enroll, service, sequence, store, line)
    except UsageError as error:
        return answer(404 if isinstance(error, UnknownSequenceError) else 422, error=str(error))
    except DatabaseError:
        return answer(503, {"Retry-After": "60"}, error="the database is busy or away: send it again")
    if done.outcome in ("rejected", "forgotten"):
        return answer(422, outcome=done.outcome, error=done.why)
    return answer(200, outcome=done.outcome, segment=done.segment)


def _enroll(service: Service, sequence: str, store: str, line: ContactLine) -> Outcome:
    now = service.clock()
    how = enroll_job.enrolling(service.rules, sequence, store=store, now=now)
    return enroll_job.one(service.database, line, how, source=f"endpoint:{store}", now=now)


async def _take(service: Service, feed: str, store: str, raw: bytes) -> JSONResponse:
    if wait := service.per_key.wait((feed, store)):
        return too_many(wait)
    asked = service.taker.ask(Body(id=0, feed=feed, store=store, raw=raw))
    done, _ = await asyncio.wait([asked], timeout=PATIENCE_SECONDS)
    taken = asked.result() if done else None
    if taken is None or taken.outcome == "away":
        return answer(503, {"Retry-After": "60"}, error="the database is busy or away: send it again")
    if taken.outcome == "refused":
        return answer(422, error=taken.reason)
    return answer(200, outcome=taken.outcome)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def unknown(service: Service, request: Request, error: str) -> JSONResponse:
    """Refuse somebody unknown. Whoever tries many keys is answered 429: so many guesses a minute, and no more."""
    if wait := service.wait_of_stranger(request):
        return too_many(wait)
    return answer(401, {"WWW-Authenticate": "Bearer"}, error=error)


def too_many(wait: float) -> JSONResponse:
    return answer(429, {"Retry-After": str(int(wait) + 1)}, error="too many requests")


def not_set_up(service: Service, request: Request, key: str) -> JSONResponse:
    if wait := service.wait_of_stranger(request):
        return too_many(wait)
    return answer(404, error=f"not set up here: {key}")


def answer(status: int, headers: Mapping[str, str] | None = None, **content: str) -> JSONResponse:
    return JSONResponse(content, status, headers=headers)


def _json(value: Mapping[str, Any]) -> bytes:
    # Numbers were read as Decimal: as a text each importer reads them as exactly.
    return json.dumps(value, default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")
