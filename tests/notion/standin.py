"""A stand-in for Notion over real TLS: what its documentation says of version 2025-09-03, its limits included.

developers.notion.com: /reference/request-limits, /reference/status-codes, /reference/patch-page, /guides/get-started/
upgrade-guide-2025-09-03. Pages are kept in memory, so it outlives the processes that ask it.
"""

import contextlib
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.mail.provider import Authority

KEY = "ntn_a_key_of_the_test"
_LONGEST, _MOST = 2000, 100
_VALUES: dict[str, type | tuple[type, ...]] = {
    "title": list,
    "rich_text": list,
    "select": dict,
    "email": str,
    "number": (int, float),
    "date": dict,
    "checkbox": bool,
}


class RefusedError(Exception):
    """An answer that is no 200."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after


@dataclass
class Page:
    id: str
    source: str
    properties: dict[str, Any]
    number: int
    blocks: list[dict[str, Any]] = field(default_factory=list)
    in_trash: bool = False


def value(held: dict[str, Any]) -> Any:
    """Return what a person sees in a property."""
    type_ = next(iter(held))
    inner: Any = held[type_]
    if type_ in ("title", "rich_text"):
        return "".join(piece["text"]["content"] for piece in inner)
    if type_ == "select":
        return inner["name"] if inner else ""
    return inner["start"] if type_ == "date" and inner else inner


class Standin:
    """What is in Notion, and what goes wrong with it when a test wants that."""

    def __init__(self) -> None:
        self.url = self.ca_file = ""
        self.databases: dict[str, dict[str, str]] = {}
        """By id: the data sources' ids by name."""
        self.schemas: dict[str, dict[str, str]] = {}
        """By data source: its properties' types."""
        self.pages: dict[str, Page] = {}
        self.requests: list[str] = []
        """Every request that was let in: `POST /v1/pages`."""
        self.refuse: Callable[[str], RefusedError | None] = lambda _request: None
        """Called first: what is refused takes no effect."""
        self.lose: Callable[[str], bool] = lambda _request: False
        """Called last: the answer to a request that took effect is lost, and the connection with it."""
        self.before_answer: Callable[[str], object] = lambda _request: None
        self._lock = threading.Lock()

    def database(self, schema: dict[str, str], *, names: tuple[str, ...] = ("",)) -> str:
        """Make a database with data sources of these names, all of one schema; return its id."""
        id_ = str(uuid.uuid4())
        self.databases[id_] = {name: str(uuid.uuid4()) for name in names}
        for source in self.databases[id_].values():
            self.schemas[source] = dict(schema)
        return id_

    def source(self, database: str) -> str:
        return next(iter(self.databases[database].values()))

    def rows(self, database: str) -> list[dict[str, Any]]:
        """What a person sees in a database: its pages in order, property by property."""
        source = self.source(database)
        pages = [page for page in self.pages.values() if page.source == source and not page.in_trash]
        return [{name: value(held) for name, held in page.properties.items()} for page in pages]

    def count(self, start: str) -> int:
        return sum(one.startswith(start) for one in self.requests)

    def assert_no_duplicates(self, database: str, key: str) -> None:
        assert [row for row, times in Counter(row[key] for row in self.rows(database)).items() if times > 1] == []

    def answer(self, method: str, path: str, query: dict[str, str], headers: Any, body: Any) -> Any:
        request = f"{method} {path}"
        if headers["Authorization"] != f"Bearer {KEY}":
            raise RefusedError(401, "unauthorized", "API token is invalid.")
        if headers["Notion-Version"] != "2025-09-03":
            raise RefusedError(400, "missing_version", "Notion-Version header failed validation.")
        if refusal := self.refuse(request):
            raise refusal
        with self._lock:
            self.requests.append(request)
            match (method, path.split("/")[2:]):
                case "GET", ["databases", id_]:
                    return self._database(id_)
                case "GET", ["data_sources", id_]:
                    return self._source(id_)
                case "PATCH", ["data_sources", id_]:
                    self.schemas[id_] |= {name: next(iter(type_)) for name, type_ in body["properties"].items()}
                    return self._source(id_)
                case "POST", ["data_sources", id_, "query"]:
                    return self._query(id_, body)
                case "POST", ["pages"]:
                    return self._create(body)
                case "GET", ["pages", id_]:
                    return _shown(self._page(id_))
                case "PATCH", ["pages", id_]:
                    return self._update(id_, body)
                case "GET", ["blocks", id_, "children"]:
                    return _paginated(self._page(id_).blocks, query.get("start_cursor"), int(query["page_size"]))
                case "PATCH", ["blocks", id_, "children"]:
                    return self._append(id_, body)
        raise RefusedError(400, "invalid_request_url", "Invalid request URL.")

    def _database(self, id_: str) -> Any:
        if id_ not in self.databases:
            raise RefusedError(404, "object_not_found", f"Could not find database with ID: {id_}.")
        sources = [{"id": source, "name": name} for name, source in self.databases[id_].items()]
        return {"object": "database", "id": id_, "data_sources": sources}

    def _source(self, id_: str) -> Any:
        properties = {name: {"type": type_, "name": name} for name, type_ in self.schemas[id_].items()}
        return {"object": "data_source", "id": id_, "properties": properties}

    def _query(self, id_: str, body: Any) -> Any:
        conditions = body["filter"]["or"]
        if len(conditions) > _MOST:
            raise _too_long("body.filter.or", len(conditions), _MOST)
        wanted = set()
        for condition in conditions:
            name = condition["property"]
            if name not in self.schemas[id_]:
                raise RefusedError(400, "validation_error", f"Could not find property with name or id: {name}")
            wanted.add((name, condition[self.schemas[id_][name]]["equals"]))
        found = [
            _shown(page)
            for page in sorted(self.pages.values(), key=lambda page: page.number)
            if page.source == id_
            and not page.in_trash
            and any((name, value(held)) in wanted for name, held in page.properties.items() if name in dict(wanted))
        ]
        return _paginated(found, body.get("start_cursor"), body["page_size"])

    def _create(self, body: Any) -> Any:
        source = body["parent"]["data_source_id"]
        self._check(source, body["properties"])
        page = Page(str(uuid.uuid4()), source, body["properties"], len(self.pages))
        self.pages[page.id] = page
        return _shown(page)

    def _update(self, id_: str, body: Any) -> Any:
        page = self._page(id_)
        if page.in_trash and body.get("in_trash") is not False:
            raise RefusedError(
                400, "validation_error", "Can't edit block that is archived. You must unarchive the block."
            )
        self._check(page.source, body.get("properties", {}))
        page.properties = page.properties | body.get("properties", {})
        page.in_trash = body.get("in_trash", page.in_trash)
        if body.get("erase_content"):
            page.blocks = []
        return _shown(page)

    def _append(self, id_: str, body: Any) -> Any:
        page, children = self._page(id_), body["children"]
        if len(children) > _MOST:
            raise _too_long("body.children", len(children), _MOST)
        for place, block in enumerate(children):
            _check_text(f"body.children[{place}].paragraph.rich_text", block["paragraph"]["rich_text"])
        page.blocks += [block | {"paragraph": _with_plain_text(block["paragraph"])} for block in children]
        return {"object": "list", "results": page.blocks[-len(children) :]}

    def _page(self, id_: str) -> Page:
        if id_ not in self.pages:
            raise RefusedError(404, "object_not_found", f"Could not find page with ID: {id_}.")
        return self.pages[id_]

    def _check(self, source: str, properties: dict[str, Any]) -> None:
        for name, held in properties.items():
            if name not in self.schemas[source]:
                raise RefusedError(400, "validation_error", f"{name} is not a property that exists.")
            type_ = self.schemas[source][name]
            if held.keys() != {type_}:
                raise RefusedError(400, "validation_error", f"{name} is expected to be {type_}.")
            inner: Any = held[type_]
            if inner is not None and not isinstance(inner, _VALUES[type_]):
                raise RefusedError(400, "validation_error", f"body.properties.{name}.{type_} is of a wrong type.")
            if type_ in ("title", "rich_text"):
                _check_text(f"body.properties.{name}.{type_}", inner)
            if type_ == "select" and held[type_] and ("," in held[type_]["name"] or len(held[type_]["name"]) > _MOST):
                raise RefusedError(400, "validation_error", "Invalid select option.")


def _shown(page: Page) -> dict[str, Any]:
    properties = {name: {"type": next(iter(held))} | _with_plain_text(held) for name, held in page.properties.items()}
    return {"object": "page", "id": page.id, "properties": properties, "in_trash": page.in_trash}


def _with_plain_text(held: dict[str, Any]) -> dict[str, Any]:
    return {
        type_: [piece | {"plain_text": piece["text"]["content"]} for piece in inner]
        if type_ in ("title", "rich_text")
        else inner
        for type_, inner in held.items()
    }


def _check_text(place: str, pieces: Any) -> None:
    if len(pieces) > _MOST:
        raise _too_long(place, len(pieces), _MOST)
    for number, piece in enumerate(pieces):
        length = len(piece["text"]["content"].encode("utf-16-le")) // 2
        if length > _LONGEST:
            raise _too_long(f"{place}[{number}].text.content", length, _LONGEST)


def _too_long(place: str, length: int, most: int) -> RefusedError:
    told = f"body failed validation: {place}.length should be ≤ `{most}`, instead was `{length}`."
    return RefusedError(400, "validation_error", told)


def _paginated(found: list[Any], cursor: str | None, size: int) -> Any:
    if size > _MOST:
        raise _too_long("page_size", size, _MOST)
    start = int(cursor or 0)
    more = start + size < len(found)
    next_cursor = str(start + size) if more else None
    return {
        "object": "list",
        "results": found[start : start + size],
        "has_more": more,
        "next_cursor": next_cursor,
    }


@contextlib.contextmanager
def running(authority: Authority) -> Iterator[Standin]:
    """Serve a stand-in on this machine."""
    notion = Standin()
    notion.ca_file = authority.ca_file

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"] or 0))
            path, _, search = self.path.partition("?")
            query = dict(part.split("=") for part in search.split("&") if part)
            status, retry_after = 200, None
            try:
                answer = notion.answer(self.command, path, query, self.headers, json.loads(content or "null"))
            except RefusedError as refused:
                status, retry_after = refused.status, refused.retry_after
                answer = {"object": "error", "status": status, "code": refused.code, "message": str(refused)}
            request = f"{self.command} {path}"
            notion.before_answer(request)
            if status == 200 and notion.lose(request):
                self.close_connection = True
                return
            body = json.dumps(answer).encode()
            with contextlib.suppress(OSError):  # the client may be dead by now
                self.send_response(status)
                if retry_after is not None:
                    self.send_header("Retry-After", str(retry_after))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _any  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name for it
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that dies in the middle of a request is what some tests are about."""

    server = Server(("localhost", 0), Handler)
    server.socket = authority.server_context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    notion.url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield notion
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
