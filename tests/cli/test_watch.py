"""The address that is called at the start and the end of a run: told truly, never in the run's way, never shown."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from pytest_httpserver import HTTPServer

from cartctl.cli import watch
from tests.shop import Outcome, Shop, iso

SECRET = "/ping/s3cret-of-nobody"


def calls(server: HTTPServer) -> list[str]:
    return [request.full_path.rstrip("?") for request, _ in server.log]


@pytest.fixture
def watched(shop: Shop, httpserver: HTTPServer) -> Shop:
    """A shop whose runs are told to a server on this machine."""
    for ending in ("/start", "", "/fail"):
        httpserver.expect_request(f"{SECRET}{ending}").respond_with_data("OK")
    point_at(shop, httpserver.url_for(SECRET))
    return shop


def point_at(shop: Shop, url: str, more: str = "") -> None:
    shop.configure(f'{more}\n[healthcheck]\nurl = "{url}"\n')


def run_due(shop: Shop, *options: str) -> Outcome:
    return shop.cli("run-due", *options, ok=False)


def test_start_and_success_are_told(watched: Shop, httpserver: HTTPServer) -> None:
    assert run_due(watched) == Outcome(0, "", "")
    assert calls(httpserver) == [f"{SECRET}/start", SECRET]


def test_a_query_stays_behind_the_path(watched: Shop, httpserver: HTTPServer) -> None:
    point_at(watched, f"{httpserver.url_for(SECRET)}/?rid=1")
    run_due(watched)
    assert calls(httpserver) == [f"{SECRET}/start?rid=1", f"{SECRET}?rid=1"]


def test_a_run_with_problems_is_told_as_a_failure(watched: Shop, httpserver: HTTPServer) -> None:
    (watched.folder / "outbox").write_text("in the way", encoding="utf-8")
    url = httpserver.url_for(SECRET)
    point_at(watched, url, '[abandonment]\nmax_age = "3650d"\n[sending]\ngrace = "3650d"\n')
    watched.cli("import", "carts", _one_cart(watched.folder))
    assert run_due(watched).exit_code == 1
    assert calls(httpserver) == [f"{SECRET}/start", f"{SECRET}/fail"]


def _one_cart(folder: Path) -> Path:
    path = folder / "carts.csv"
    path.write_text("cart_id,updated_at,email,total\nc-1,2026-03-02T10:00:00Z,anna@example.com,9\n", encoding="utf-8")
    return path


def test_a_run_that_dies_of_an_error_is_told_as_a_failure(watched: Shop, httpserver: HTTPServer) -> None:
    broken = watched.folder / "templates" / "cart-recovery"
    broken.mkdir(parents=True)
    (broken / "sequence.toml").write_text("no = such", encoding="utf-8")
    point_at(watched, httpserver.url_for(SECRET), 'templates = "templates"')
    assert run_due(watched).exit_code == 2
    assert calls(httpserver) == [f"{SECRET}/fail"]


def test_a_run_that_finds_another_at_work_tells_nothing(watched: Shop, httpserver: HTTPServer) -> None:
    run_due(watched)
    httpserver.clear_log()
    with FileLock(watched.folder / "cartctl.db.lock"):
        assert run_due(watched).exit_code == 75
    assert calls(httpserver) == []


@pytest.mark.parametrize("options", [("--dry-run",), ("--at", iso("1h")), ("--dry-run", "--at", iso("1h"))])
def test_neither_a_dry_run_nor_a_rehearsal_is_told(
    watched: Shop, httpserver: HTTPServer, options: tuple[str, ...]
) -> None:
    assert run_due(watched, *options).exit_code == 0
    assert calls(httpserver) == []


@pytest.mark.parametrize("status", [404, 500])
def test_an_address_that_answers_badly_never_fails_the_run(shop: Shop, httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request(f"{SECRET}/start").respond_with_data("no", status=status)
    point_at(shop, httpserver.url_for(SECRET))
    assert run_due(shop) == Outcome(0, "", "")
    told = run_due(shop, "-v")
    assert told.exit_code == 0
    assert f"cartctl: healthcheck.url could not be told of the run's start: answer {status}" in told.err
    assert "s3cret" not in told.err + told.out


def test_an_address_that_refuses_never_fails_the_run(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    point_at(shop, f"http://127.0.0.1:{port}{SECRET}")
    outcome = run_due(shop, "-v", "--log-format", "json")
    assert outcome.exit_code == 0
    texts = [json.loads(line).get("text") for line in outcome.err.splitlines()]
    assert "healthcheck.url could not be told of the run's success: URLError" in texts
    assert "s3cret" not in outcome.err


@contextlib.contextmanager
def dripping() -> Iterator[tuple[int, threading.Event]]:
    """A server whose answer comes a byte at a time, for ten seconds; the event: it came to its end."""
    ended, over = threading.Event(), threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(200):
                connection.sendall(b"a")
                if over.wait(0.05):
                    return
            ended.set()

    def take(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=take, args=(server,), daemon=True).start()
        yield server.getsockname()[1], ended
        over.set()
        server.shutdown(socket.SHUT_RDWR)


def test_an_answer_without_an_end_holds_the_run_up_no_longer_than_its_patience(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.2)
    with dripping() as (port, ended):
        point_at(shop, f"http://127.0.0.1:{port}{SECRET}")
        outcome = run_due(shop, "-v")
        assert not ended.is_set()
    assert outcome.exit_code == 0
    assert "the run's start: no answer in time" in outcome.err
    assert "the run's success: no answer in time" in outcome.err


@pytest.mark.parametrize("url", ["http://hc.example.com/s3cret", "ftp://localhost/s3cret", "s3cret", "https://[s3cret"])
def test_an_address_in_the_clear_is_refused_and_not_repeated(shop: Shop, url: str) -> None:
    point_at(shop, url)
    outcome = run_due(shop)
    assert outcome.exit_code == 2
    assert "healthcheck.url: is no https address" in outcome.err
    assert "s3cret" not in outcome.err
