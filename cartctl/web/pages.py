"""The pages: templates/pages/*.html filled in, in the cart's language and the store's colours.

No page names the shopper; only the unsubscribe page shows an address, masked. Nothing is loaded from elsewhere but
pictures from the store's own hosts and `image_hosts`, and the policy in the header holds the browser to that.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from cartctl.domain.colours import text_on
from cartctl.domain.destinations import destination
from cartctl.domain.identity import mask_email
from cartctl.jobs.recover import CartContent
from cartctl.jobs.rules import StoreFacts
from cartctl.jobs.unsubscribe import Standing
from cartctl.mail.languages import PAGES, Languages, direction
from cartctl.mail.pages import page_environment
from cartctl.mail.render import shown_cart

_COLOUR = "#1f4fd8"


@dataclass(frozen=True, slots=True)
class _Style:
    """The one style sheet, in one store's colours."""

    css: str
    source: str
    """What the policy calls it."""


class Pages:
    """Renders pages from template folders, the first of which wins."""

    def __init__(self, folders: Sequence[Path], *, only_store: StoreFacts | None) -> None:
        """`only_store`: whose pages they are where a link does not tell, there being no other."""
        self._languages = Languages(folders, PAGES)
        self._only_store = only_store
        self._environment = page_environment(folders)
        self._style = lru_cache(maxsize=256)(self._make_style)
        self._problem_html = lru_cache(maxsize=1024)(self._make_problem)  # a flood of refusals must cost little

    def cart(self, store: StoreFacts, content: CartContent, *, shop: str, request: Request) -> HTMLResponse:
        """Show what is in the cart, and the way to the shop."""
        locale = content.locale or store.locale
        cart = shown_cart(content.items, content.currency, content.total, locale)
        for item in cart["items"]:
            item["image_url"] = destination(item["image_url"], store.picture_hosts) or ""
            item["product_url"] = destination(item["product_url"], store.hosts) or ""
        values = cart | {"shop": shop, "coupon": content.coupon}
        return self._page("cart", store, locale, request, values)

    def bought(self, store: StoreFacts, *, shop: str, locale: str, request: Request) -> HTMLResponse:
        return self._page("bought", store, locale or store.locale, request, {"shop": shop})

    def unsubscribe(
        self, store: StoreFacts, email: str, standing: Standing, *, locale: str, request: Request, undone: bool = False
    ) -> HTMLResponse:
        """Ask for the one press of a button, or say that it is done."""
        values = {
            "address": mask_email(email) if email else "",
            "extent": standing.extent.value if standing.extent else "",
            "may_undo": standing.may_undo,
            "undone": undone,
        }
        return self._page("unsubscribe", store, locale or store.locale, request, values)

    def expired(self, store: StoreFacts, *, locale: str, request: Request) -> HTMLResponse:
        return self._problem("expired", 410, request, store=store, locale=locale or store.locale)

    def not_found(self, request: Request) -> HTMLResponse:
        """The same for every link that is none of ours, whether it was altered, invented or of another purpose."""
        return self._problem("not_found", 404, request)

    def too_many(self, request: Request, wait_seconds: float) -> HTMLResponse:
        return self._problem("too_many", 429, request, headers={"Retry-After": str(ceil(wait_seconds))})

    def unavailable(self, request: Request, *, status: int = 503) -> HTMLResponse:
        return self._problem("unavailable", status, request, headers={"Retry-After": "60"})

    def refused(self, request: Request, status: int) -> HTMLResponse:
        """A request that is too large, too slow, or of a method that is not served."""
        return self._problem("refused", status, request)

    def _problem(
        self,
        name: str,
        status: int,
        request: Request,
        *,
        store: StoreFacts | None = None,
        locale: str = "",
        headers: dict[str, str] | None = None,
    ) -> HTMLResponse:
        store = store or self._only_store
        html = self._problem_html(name, store, self._language(locale, request))
        policy = {"Content-Security-Policy": self._policy(store)}
        return HTMLResponse(html, status, headers=policy | (headers or {}))

    def _make_problem(self, name: str, store: StoreFacts | None, language: str) -> str:
        return self._render("problem", store, language, {"problem": name})

    def _page(
        self, name: str, store: StoreFacts, locale: str, request: Request, values: dict[str, Any]
    ) -> HTMLResponse:
        html = self._render(name, store, self._language(locale, request), values)
        return HTMLResponse(html, headers={"Content-Security-Policy": self._policy(store)})

    def _language(self, locale: str, request: Request) -> str:
        return self._languages.chosen(locale, request.headers.get("accept-language", ""))

    def _render(self, name: str, store: StoreFacts | None, language: str, values: dict[str, Any]) -> str:
        words = self._languages.words(language)
        style = self._style(store.colour if store else "")
        return self._environment.get_template(f"pages/{name}.html").render(
            values
            | {
                "say": lambda key, **filled: words[key].format_map(filled),
                "language": language.replace("_", "-"),
                "direction": direction(language),
                "brand": store.brand if store else "",
                "home": store.url if store else "",
                "logo": store.logo if store else "",
                "style": Markup(style.css),  # noqa: S704 - our own file, and a colour of six hexadecimal digits
            }
        )

    def _policy(self, store: StoreFacts | None) -> str:
        """Return the Content-Security-Policy of a store's pages."""
        style = self._style(store.colour if store else "")
        hosts = store.picture_hosts if store else ()
        pictures = " ".join(origin for host in hosts for origin in host.origins) or "'none'"
        return (
            f"default-src 'none'; style-src {style.source}; img-src {pictures}; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    def _make_style(self, colour: str) -> _Style:
        css = self._environment.get_template("pages/style.css").render(
            colour=colour or _COLOUR, on_colour=text_on(colour or _COLOUR), has_own=bool(colour)
        )
        digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
        return _Style(css, f"'sha256-{digest}'")
