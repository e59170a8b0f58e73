"""The report over the network: `/api/cart/analytics`, all of it, and `/api/cart/stats`, its totals of late."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from cartctl.domain.times import parse_bound
from cartctl.web import posts, signatures
from cartctl.web.service import Service

router = APIRouter()
_TOTALS = ("since", "until", "carts", "abandoned", "recovered", "recovery_rate", "late_orders", "revenue")


@router.get("/api/cart/analytics", responses=posts.ANSWERS)
async def analytics(
    request: Request, since: str | None = None, until: str | None = None, include_outbox: bool = False
) -> JSONResponse:
    """Return what `cartctl report --json` prints, for the same periods."""
    return await _report(request, since, until, include_outbox=include_outbox, only=())


@router.get("/api/cart/stats", responses=posts.ANSWERS)
async def stats(request: Request, since: str = "30d", until: str | None = None) -> JSONResponse:
    """Return the totals of the last 30 days, or of another period."""
    return await _report(request, since, until, include_outbox=False, only=_TOTALS)


async def _report(
    request: Request, since: str | None, until: str | None, *, include_outbox: bool, only: tuple[str, ...]
) -> JSONResponse:
    service: Service = request.app.state.service
    if not service.keys.report:
        return posts.not_set_up(service, request, "web.report_key")
    if not signatures.is_among(signatures.bearer(request.headers.get("authorization", "")), service.keys.report):
        return posts.unknown(service, request, "the key in Authorization: Bearer is not the report's")
    if wait := service.per_key.wait("report"):
        return posts.too_many(wait)
    now = service.clock()
    try:
        zone = service.rules.default_store.zone
        bounds = parse_bound(since, now, zone), parse_bound(until, now, zone)
    except ValueError:
        return posts.answer(422, error="since and until are dates (2026-11-01), times with an offset, or 30d")
    report = await service.reports.get((since, until, include_outbox), *bounds, include_outbox=include_outbox, now=now)
    return JSONResponse({name: report[name] for name in only} if only else report)
