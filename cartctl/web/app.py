"""The application: what is served at which address, and what every request passes on its way in.

From the outside: `Guard` (headers, faults) -> `Throttle` (requests a minute) -> the recovery link. For all else the
same within FastAPI, and then `SlowBody` -> body limit -> its routes.
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cartctl import __version__, config, wiring
from cartctl.config import Loaded
from cartctl.jobs.rules import Clock
from cartctl.web import analytics, health, posts, recover, unsubscribe
from cartctl.web.limits import BODY_BYTES, WEBHOOK_BYTES, Allowance, Clients, Monotonic, SlowBody, allowance_key
from cartctl.web.pages import Pages
from cartctl.web.security import Guard
from cartctl.web.service import Service, open_service
from cartctl.web.signatures import keys_of

_UNCOUNTED = frozenset(route.path for route in posts.router.routes if isinstance(route, Route))


def create_app(
    loaded: Loaded | None = None, *, clock: Clock | None = None, monotonic: Monotonic | None = None
) -> FastAPI:
    """Build the endpoint from `loaded`, else from cartctl.toml and the environment as every command does.

    The database is opened when the server starts, not here. Raises ConfigurationError.
    """
    loaded = loaded or config.load(file=None, environment=os.environ, folder=Path())
    clock, monotonic = clock or (lambda: datetime.now(UTC)), monotonic or time.monotonic
    settings = loaded.settings
    (only,) = settings.stores if len(settings.stores) == 1 else (None,)
    pages = Pages(
        wiring.template_folders(loaded),
        only_store=wiring.store_facts(settings, only) if only or not settings.stores else None,
    )

    keys = keys_of(settings, wiring.tiktok_app(settings))

    strangers = Allowance(settings.web.rate_limit, monotonic)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.service = service = open_service(loaded, pages, keys, strangers, clock, monotonic)
        try:
            yield
        finally:
            service.close()

    def guarded(app: ASGIApp) -> ASGIApp:
        clients = Clients(settings.web.trusted_proxies, settings.web.scanners)
        return Guard(
            Throttle(app, allowance=strangers, clients=clients, pages=pages),
            refuse=lambda status: _page(lambda request: pages.unavailable(request, status=status)),
            tls=settings.base_url.startswith("https://"),
        )

    app = Endpoint(
        title="cartctl", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.straight = guarded(_straight_to_the_cart(lambda: app.state.service))
    app.router.redirect_slashes = False  # else it sends whoever asks, token and all, to the host that he names
    for module in (recover, unsubscribe, health, posts, analytics):
        app.include_router(module.router)
    _answer_faults(app, pages)
    # The last one added is the first that a request meets.
    app.add_middleware(BodyLimit)
    app.add_middleware(SlowBody, refuse=_page(lambda request: pages.refused(request, 408)))
    app.add_middleware(guarded)
    return app


def _answer_faults(app: FastAPI, pages: Pages) -> None:
    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        page = pages.not_found(request) if error.status_code == 404 else pages.refused(request, error.status_code)
        page.headers.update(error.headers or {})
        return page

    app.add_exception_handler(HTTPException, on_http)


class Endpoint(FastAPI):
    """Takes the recovery link past all that it does not need: it is what everybody clicks, and it has no body.

    FastAPI's routing alone would take longer than the rest of a click. Its route is there all the same, and described.
    """

    straight: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_link = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and _token(scope)
        await (self.straight if is_link else super().__call__)(scope, receive, send)


def _token(scope: Scope) -> str:
    prefix, _, token = scope["path"].rpartition("/")
    return token if prefix in recover.PREFIXES else ""


def _straight_to_the_cart(service: Callable[[], Service]) -> ASGIApp:
    async def follow(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await recover.answer(_token(scope), Request(scope), service())
        await answer(scope, receive, send)

    return follow


class BodyLimit:
    """Refuses bodies that are too large, whether or not they say so beforehand."""

    def __init__(self, app: ASGIApp) -> None:
        self._usual = RequestBodyLimitMiddleware(app, max_body_size=BODY_BYTES)
        self._webhooks = RequestBodyLimitMiddleware(app, max_body_size=WEBHOOK_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_webhook = scope["type"] == "http" and scope["path"].startswith("/api/webhook/")
        await (self._webhooks if is_webhook else self._usual)(scope, receive, send)


class Throttle:
    """Holds each address to its requests a minute.

    A one-click unsubscription is not counted: a mail provider posts those of all its customers from few addresses, and
    none may be lost. Nor is what shops and providers post: it has a key or a signature, each with an allowance. A link,
    key or signature that is none is counted where that shows.
    """

    def __init__(self, app: ASGIApp, allowance: Allowance, clients: Clients, pages: Pages) -> None:
        self._app, self._allowance, self._clients, self._pages = app, allowance, clients, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        counts = scope["type"] == "http" and not (scope["method"] == "POST" and _shows_later(scope["path"]))
        wait = self._allowance.wait(allowance_key(self._clients.address(scope))) if counts else 0
        answer = self._pages.too_many(Request(scope), wait) if wait else self._app
        await answer(scope, receive, send)


def _shows_later(path: str) -> bool:
    """Say whether a route looks at whose post it is."""
    prefix, _, token = path.rpartition("/")
    return path in _UNCOUNTED or (prefix in ("/u", "/api/enroll") and bool(token))


def _page(make: Callable[[Request], Response]) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await make(Request(scope))(scope, receive, send)

    return answer
