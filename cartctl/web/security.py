"""What every answer bears: headers that keep tokens and pages to themselves. And no fault shows its inside."""

import logging
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cartctl.errors import DatabaseError

log = logging.getLogger("cartctl.web")
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The policy of answers that are no page."""
HEADERS: dict[str, str] = {
    "Content-Security-Policy": NOTHING,
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
SURPLUS = "cartctl-surplus"
"""Marks, in a scope's state, a request for which there is no room."""
_HSTS = "max-age=31536000"


class Guard:
    """Adds the headers, and answers in the place of a request that failed.

    A traceback goes to the log without what the exception says: that may be an address or a token.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[int], ASGIApp], *, tls: bool) -> None:
        """`refuse` makes the answer of this status: 500, or 503 where the database or the room is not there."""
        headers = HEADERS | ({"Strict-Transport-Security": _HSTS} if tls else {})
        self._app, self._refuse = app, refuse
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = message.setdefault("headers", [])
                names = {name for name, _ in own}
                own.extend(header for header in self._headers if header[0] not in names)
            await send(message)

        try:
            app = self._refuse(503) if SURPLUS in scope.get("state", ()) else self._app
            await app(scope, receive, send_guarded)
        except Exception as error:  # noqa: BLE001 - the last place before the open internet
            log.error("%s at %s", type(error).__name__, _place(error))  # noqa: TRY400 - see the class
            if not started:
                status = 503 if isinstance(error, DatabaseError) else 500
                await self._refuse(status)(scope, receive, send_guarded)


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
