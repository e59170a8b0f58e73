"""The unsubscribe link: `GET /u/{token}` asks, `POST /u/{token}` does it.

RFC 8058: a mail program posts `List-Unsubscribe=One-Click`, as multipart/form-data or urlencoded, without cookies, and
expects no redirect. Whatever else is posted, or nothing at all, is meant as an unsubscription, too: only the page's own
form asks for less, or for the way back.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from cartctl.jobs import unsubscribe
from cartctl.jobs.unsubscribe import Extent, Person, Standing
from cartctl.mail.links import BadTokenError
from cartctl.store.visits import VIEW
from cartctl.web.service import Change, Service

router = APIRouter()
_FIELDS = 20
_GONE = Standing(Extent.EVERYTHING, may_undo=False)
"""Of somebody of whom nothing is known any longer."""


@router.get("/u/{token}", response_class=HTMLResponse)
async def show(token: str, request: Request) -> HTMLResponse:
    """Show the masked address and one button. Nothing changes: scanners follow this link, too."""
    return await _show(token, request)


@router.head("/u/{token}", response_class=HTMLResponse)
async def look(token: str, request: Request) -> HTMLResponse:
    """Answer as GET would."""
    return await _show(token, request)


@router.post("/u/{token}", response_class=HTMLResponse)
async def change(token: str, request: Request) -> HTMLResponse:
    """Unsubscribe, or undo it. 200 when it is on disk: a repeat finds it done. 503 while the database is held."""
    service: Service = request.app.state.service
    try:
        message_id = service.links.read("unsubscribe", token, now=service.clock())
    except BadTokenError:
        if wait := service.wait_of_stranger(request):
            return service.pages.too_many(request, wait)
        return service.pages.not_found(request)
    form = await _form(request)
    person = await service.read(lambda connection: unsubscribe.find(connection, message_id))
    if person is None:
        return _page(service, request, None, _GONE)
    undoes = form.get("action") == "undo"
    work = partial(_undo if undoes else _unsubscribe, service, person, form, service.clock())
    standing = await service.change(Change(message_id, work))
    if standing is None:
        return service.pages.unavailable(request)
    return _page(service, request, person, standing, undone=undoes and standing.extent is None)


async def _show(token: str, request: Request) -> HTMLResponse:
    service: Service = request.app.state.service
    now = service.clock()
    try:
        message_id = service.links.read("unsubscribe", token, now=now)
    except BadTokenError:
        return service.pages.not_found(request)
    if wait := service.per_message.wait(("unsubscribe", message_id)):
        return service.pages.too_many(request, wait)
    person = await service.read(lambda connection: unsubscribe.find(connection, message_id))
    if person is None:
        return _page(service, request, None, _GONE)
    await service.keep(service.visit(request, message_id, VIEW, person.sent_at, at=now))
    key = service.hashing_key
    standing = await service.read(lambda connection: unsubscribe.standing(connection, person, hashing_key=key))
    return _page(service, request, person, standing)


def _page(
    service: Service, request: Request, person: Person | None, standing: Standing, *, undone: bool = False
) -> HTMLResponse:
    store = service.rules.store(person.store) if person else service.rules.default_store
    email, locale = (person.email, person.locale) if person else ("", "")
    return service.pages.unsubscribe(store, email, standing, locale=locale, request=request, undone=undone)


def _unsubscribe(service: Service, person: Person, form: Mapping[str, object], now: datetime) -> Standing:
    extent = Extent.SEQUENCE if form.get("extent") == Extent.SEQUENCE else Extent.EVERYTHING
    return unsubscribe.unsubscribe(service.database, person, extent, hashing_key=service.hashing_key, now=now)


def _undo(service: Service, person: Person, form: Mapping[str, object], now: datetime) -> Standing:
    return unsubscribe.undo(service.database, person, hashing_key=service.hashing_key, now=now)


async def _form(request: Request) -> FormData:
    """Read the form; one that cannot be read says nothing, and the post itself says enough."""
    try:
        async with request.form(max_files=0, max_fields=_FIELDS) as form:
            return FormData(form)
    except HTTPException as error:
        if error.status_code == 413:
            raise
        return FormData()
