"""The recovery link: `GET /r/{token}`, and HEAD, which leaves no click."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from cartctl.jobs import recover
from cartctl.jobs.recover import Bought, Hosted, Nowhere, Redirect
from cartctl.mail.links import BadTokenError, ExpiredTokenError
from cartctl.store.visits import CLICK
from cartctl.web.service import Service

router = APIRouter()
PREFIXES = ("/r", "/api/cart/recover")


@router.get("/r/{token}", response_class=Response)
@router.get("/api/cart/recover/{token}", response_class=Response)
async def follow(token: str, request: Request) -> Response:
    """Lead back to the cart: 303 to the shop, or a page. 404 for a link that is none, 410 for one that has expired."""
    return await answer(token, request, request.app.state.service)


@router.head("/r/{token}", response_class=Response)
@router.head("/api/cart/recover/{token}", response_class=Response)
async def look(token: str, request: Request) -> Response:
    """Answer as GET would, without a click."""
    return await answer(token, request, request.app.state.service)


async def answer(token: str, request: Request, service: Service) -> Response:
    """Answer a recovery link, and keep that it was followed."""
    now = service.clock()
    try:
        message_id = service.links.read("recover", token, now=now)
    except ExpiredTokenError as expired:
        row = await service.cart_of(expired.message_id)
        look = service.rules.store(row.store) if row else service.rules.default_store
        return service.pages.expired(look, locale=row.locale if row else "", request=request)
    except BadTokenError:
        return service.pages.not_found(request)
    if wait := service.per_message.wait(message_id):
        return service.pages.too_many(request, wait)
    row = await service.cart_of(message_id)
    if row is None:
        return service.pages.not_found(request)
    await service.keep(service.visit(request, message_id, CLICK, row.sent_at, at=now))
    store = service.rules.store(row.store)
    match recover.follow(row, service.rules):
        case Redirect(url):
            return Response(status_code=303, headers={"Location": url})
        case Bought(shop):
            return service.pages.bought(store, shop=shop, locale=row.locale, request=request)
        case Nowhere():
            return service.pages.not_found(request)
        case Hosted(shop):
            content = await service.read(lambda connection: recover.content(connection, row))
            return service.pages.cart(store, content, shop=shop, request=request)
