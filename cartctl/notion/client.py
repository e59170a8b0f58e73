"""Requests to Notion's API, version 2025-09-03: paced, tried again where that is safe, and in words where it fails.

Three requests a second on average, and as long a silence as Retry-After asks for, are Notion's rules
(developers.notion.com/reference/request-limits). The package's own repetitions know of 429 alone, sleep by themselves
and give up early, so they are off. A database (what a person sees) holds data sources, and those hold the pages.
"""

import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from cartctl.domain.identity import without_addresses
from cartctl.errors import ConfigurationError, NotionError
from cartctl.notion.properties import TYPES, Field
from cartctl.notion.texts import MOST_BLOCKS, blocks, plain, text_of
from cartctl.suggest import did_you_mean

try:
    import httpx
    from notion_client import Client
    from notion_client.errors import HTTPResponseError, InvalidPathParameterError, RequestTimeoutError
    from notion_client.helpers import extract_database_id
except ImportError:
    raise ConfigurationError('Notion needs an extra that is not installed: pip install "cartctl[notion]"') from None

VERSION = "2025-09-03"
TRIES = 6
LONGEST_WAIT = 600
"""Seconds. Asked to wait longer, a run ends: the next one goes on."""
_NOT_DONE = frozenset({409, 429, 529})
"""Nothing was done: another change came between, too many requests, Notion is overloaded."""
_PAGE = 100


@dataclass(frozen=True, slots=True)
class DataSource:
    """A table of pages, with the type of each of its properties."""

    id: str
    types: Mapping[str, str]
    setting: str
    """The table of the configuration that names it, for complaints."""


class RefusedError(NotionError):
    """One page is refused for what it holds; others may be taken."""


class GoneError(Exception):
    """The page is in Notion's trash, or deleted."""


class _DoubtfulError(Exception):
    """Nobody knows whether a request took effect."""


class Notion:
    """What is asked of Notion. One request at a time.

    Whatever fails for good raises NotionError, or ConfigurationError where key or database are at fault.
    """

    def __init__(
        self,
        key: str,
        *,
        host: str,
        timeout: timedelta,
        ca_file: str | None,
        per_second: float,
        pause: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        """`pause` waits so many seconds, `monotonic` tells seconds: requests keep their distance by them."""
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise ConfigurationError(f"notion.ca_file: {ca_file}: no file of certificates ({error.strerror})") from None
        silent = logging.getLogger("cartctl.notion")  # the package's own would print what Notion complains of
        silent.addHandler(logging.NullHandler())
        silent.propagate = False
        self._http = httpx.Client(verify=context)
        self._client = Client(
            client=self._http,
            auth=key,
            base_url=host.rstrip("/"),
            notion_version=VERSION,
            timeout_ms=int(timeout.total_seconds() * 1000),
            retry=False,
            logger=silent,
        )
        self._between, self._pause, self._monotonic = 1 / per_second, pause, monotonic
        self._free_at = monotonic()

    def close(self) -> None:
        self._http.close()

    def source(self, database: str, name: str | None, *, setting: str) -> DataSource:
        """Return the data source of a database (its id or its address), by name where there are several."""
        id_ = extract_database_id(database)
        if id_ is None:
            raise ConfigurationError(
                f'{setting}.database: "{database}" is no database of Notion: open it as a page, and copy its link'
            )
        try:
            held = self._ask(lambda: self._client.databases.retrieve(id_))["data_sources"]
        except GoneError:
            raise ConfigurationError(
                f"{setting}.database: Notion does not show it to this key: open the database, choose … > Connections, "
                "and add the integration that the key is of"
            ) from None
        found = [one for one in held if name in (None, one["name"], one["id"])]
        if len(found) != 1:
            names = ", ".join(f'"{one["name"]}"' for one in held)
            raise ConfigurationError(
                f"{setting}.data_source: "
                + (f'the database has none called "{name}" (it has {names})' if name else f"name one of {names}")
            )
        about = self._ask(lambda: self._client.data_sources.retrieve(found[0]["id"]))
        return DataSource(found[0]["id"], {key: one["type"] for key, one in about["properties"].items()}, setting)

    def add_properties(self, source: DataSource, fields: Sequence[Field]) -> None:
        """Add properties to a data source, each of the type that suits its values best."""
        added: dict[str, Any] = {field.name: {TYPES[field.kind][0]: {}} for field in fields}
        self._ask(lambda: self._client.data_sources.update(source.id, properties=added))

    def find(self, source: DataSource, key: str, values: Sequence[str]) -> dict[str, str]:
        """Return the page of each value of the property `key`, 100 at most; of two with the same the older."""
        type_ = source.types[key]
        wanted = {"or": [{"property": key, type_: {"equals": value}} for value in values]}
        sorts = [{"timestamp": "created_time", "direction": "ascending"}]
        found: dict[str, str] = {}
        pages = self._listed(
            lambda start: self._client.data_sources.query(
                source.id, filter=wanted, sorts=sorts, start_cursor=start, page_size=_PAGE
            )
        )
        for page in pages:
            found.setdefault(plain(page["properties"][key][type_]), page["id"])
        return found

    def create(self, source: DataSource, properties: Mapping[str, Any], *, key: str, value: str) -> str:
        """Make a page and return its id. Where an answer is lost, look for it by `key` before making it again."""
        parent = {"type": "data_source_id", "data_source_id": source.id}
        reason = ""
        for attempt in range(TRIES):
            try:
                page = self._once(lambda: self._client.pages.create(parent=parent, properties=dict(properties)))
                return str(page["id"])
            except _DoubtfulError as error:
                reason = str(error)
            self._pause(2**attempt)
            if found := self.find(source, key, [value]):
                return found[value]
        raise _silence(reason)

    def update(self, page_id: str, properties: Mapping[str, Any]) -> None:
        """Write these properties. Raises GoneError."""
        self._change(page_id, properties=dict(properties))

    def discard(self, page_id: str, blank: Mapping[str, Any]) -> None:
        """Empty these properties, then put the page into the trash: what lies there can be read for weeks."""
        try:
            self._change(page_id, properties=dict(blank))
            self._change(page_id, in_trash=True)
        except GoneError:
            pass

    def exists(self, page_id: str) -> bool:
        """Say whether a page is there, and not in the trash."""
        try:
            return not self._ask(lambda: self._client.pages.retrieve(page_id)).get("in_trash")
        except GoneError:
            return False

    def value(self, page_id: str, name: str) -> str:
        """Return the text of a property. Raises GoneError."""
        held = self._ask(lambda: self._client.pages.retrieve(page_id))["properties"].get(name, {})
        found = held.get(held.get("type"))
        if isinstance(found, dict):
            return str(found.get("name", ""))
        return plain(found) if isinstance(found, list) else found or ""

    def text(self, page_id: str) -> str:
        """Return what stands in a page, as far as it is text. Raises GoneError."""
        return text_of(
            self._listed(lambda start: self._client.blocks.children.list(page_id, start_cursor=start, page_size=_PAGE))
        )

    def write_text(self, page_id: str, text: str) -> None:
        """Replace all that stands in a page. Raises GoneError."""
        written = blocks(text)
        reason = ""
        for attempt in range(TRIES):
            self._change(page_id, erase_content=True)
            try:
                for start in range(0, len(written), MOST_BLOCKS):
                    self._append(page_id, written[start : start + MOST_BLOCKS])
            except _DoubtfulError as error:  # the same once more would stand there twice
                reason = str(error)
                self._pause(2**attempt)
            else:
                return
        raise _silence(reason)

    def _append(self, page_id: str, children: list[dict[str, Any]]) -> None:
        self._once(lambda: self._client.blocks.children.append(page_id, children=children))

    def _change(self, page_id: str, **changes: Any) -> None:
        try:
            self._ask(lambda: self._client.pages.update(page_id, **changes))
        except RefusedError:
            # A page in the trash is refused like a wrong value: "Can't edit block that is archived".
            if self._ask(lambda: self._client.pages.retrieve(page_id)).get("in_trash"):
                raise GoneError from None
            raise

    def _listed(self, call: Callable[[str | None], Any]) -> list[dict[str, Any]]:
        """Return all results of what Notion answers page by page."""
        found: list[dict[str, Any]] = []
        start: str | None = None
        while True:
            answer = self._ask(partial(call, start))
            found += answer["results"]
            start = answer.get("next_cursor")
            if not answer.get("has_more") or not start:
                return found

    def _ask(self, call: Callable[[], Any]) -> Any:
        """Do what may be done twice, until there is an answer."""
        reason = ""
        for attempt in range(TRIES):
            try:
                return self._once(call)
            except _DoubtfulError as error:
                reason = str(error)
            self._pause(2**attempt)
        raise _silence(reason)

    def _once(self, call: Callable[[], Any]) -> Any:
        """Make one request take effect. Until then Notion may ask to wait; raises _DoubtfulError for a lost answer."""
        for attempt in range(TRIES):
            self._keep_distance()
            try:
                return call()
            except HTTPResponseError as error:
                if error.status not in _NOT_DONE:
                    raise _meaning(error) from None
                wait = _asked_for(error.headers.get("retry-after"))
            except RequestTimeoutError:
                raise _DoubtfulError("no answer in time") from None
            except httpx.HTTPError as error:
                raise _DoubtfulError(f"no connection: {type(error).__name__}") from None
            except (ValueError, httpx.InvalidURL, InvalidPathParameterError) as error:
                raise NotionError(f"notion.host answers nothing of Notion's ({type(error).__name__})") from None
            if wait is not None and wait > LONGEST_WAIT:
                raise NotionError(f"Notion asks to wait for {wait:g} seconds: the next run goes on from here")
            self._pause(2**attempt if wait is None else wait)
        raise NotionError("Notion takes no more requests for now: the next run goes on from here")

    def _keep_distance(self) -> None:
        now = self._monotonic()
        if now < self._free_at:
            self._pause(self._free_at - now)
        self._free_at = max(now, self._free_at) + self._between


def missing(source: DataSource, fields: Sequence[Field]) -> list[Field]:
    """Return the properties that are not there. Raises ConfigurationError for one of a type that cannot hold them."""
    for field in fields:
        type_ = source.types.get(field.name)
        if type_ is not None and type_ not in TYPES[field.kind]:
            raise ConfigurationError(
                f'{source.setting}: the property "{field.name}" is of the type {type_} in Notion: make it '
                f"{' or '.join(TYPES[field.kind])}, or write to another"
            )
    return [field for field in fields if field.name not in source.types]


def check(source: DataSource, fields: Sequence[Field]) -> None:
    """Raise ConfigurationError that names every property that is not there, and what to do."""
    if lacking := missing(source, fields):
        told = ", ".join(f'"{field.name}"{did_you_mean(field.name, source.types)}' for field in lacking)
        raise ConfigurationError(
            f"{source.setting}: Notion's database has no property {told}: was it renamed? Set its name in "
            f"[{source.setting}], or let `cartctl notion check --add` add what is missing"
        )


def _meaning(error: HTTPResponseError) -> Exception:
    """Return what a refusal means. Of Notion's own words addresses are taken out."""
    told = without_addresses(f"{error.status}: {error}")[:300]
    if error.status == 401:
        return ConfigurationError("Notion refuses the key: check NOTION_API_KEY")
    if error.status == 403:
        return ConfigurationError(f"Notion does not let this key do that: give it all content capabilities ({told})")
    if error.status == 404:
        return GoneError()
    if error.status >= 500 or error.status == 408:
        return _DoubtfulError(f"answer {error.status}")
    return RefusedError(f"Notion refuses: {told}")


def _silence(reason: str) -> NotionError:
    return NotionError(f"Notion does not answer ({reason}): nothing is lost, the next run goes on from here")


def _asked_for(text: str | None) -> float | None:
    """Read Retry-After, which Notion gives in whole seconds."""
    return float(text) if text and text.isdecimal() else None
