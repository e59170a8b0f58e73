"""`cartctl serve` as a process: it listens, answers, and ends when it is told to."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.shop import Cli, Shop
from tests.web.browser import free_port
from tests.web.site import STORE, mailed

DEADLINE = 60.0
"""Seconds after which a server that does not come is a failure; it is there in two."""


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `cartctl serve -v` on a free port; yield the process and its address once it answers."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "cartctl", "serve", "-v", "--port", str(port), *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + DEADLINE
        while status(f"{address}/readyz") != 200:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.1)
        yield process, address
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def status(url: str) -> int | None:
    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments: object) -> None:
            return None

    try:
        with urllib.request.build_opener(NoRedirect).open(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


@pytest.mark.parametrize("options", [[], ["--workers", "2"]], ids=["one process", "two workers"])
def test_it_serves_until_it_is_told_to_stop_and_tells_no_token(shop: Shop, options: list[str]) -> None:
    mailed(shop)
    with serving(shop.folder, *options) as (process, address):
        link = re.search(r"/r/\S+", shop.mails[0].part("plain"))
        assert link
        expired = status(f"{address}{link[0]}")
        assert expired == 410, "the mail is of March"
        assert status(f"{address}/r/altered") == 404
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            assert b"referrer-policy: no-referrer" in connection.recv(10_000), "it is our own connections that answer"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert out == f"Serving http://localhost:8000 at {address}\n"
    assert link[0].removeprefix("/r/") not in out + err
    assert "/r/" not in err
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_said_in_one_line(cli: Cli) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        outcome = cli("serve", "--port", str(port), ok=False)
    assert outcome.exit_code == 2
    assert outcome.err == (
        f"cartctl: 127.0.0.1:{port}: cannot listen there: Address already in use: try another --port or --host\n"
    )


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ('[web]\ntrusted_proxies = ["proxy"]', "web.trusted_proxies: 'proxy' does not appear to be"),
        ('[web]\nscanners = ["10.0.0.1/8"]', "web.scanners: 10.0.0.1/8 has host bits set"),
        ("[web]\nrate_limit = -1", "web.rate_limit: -1 is below 0"),
        ('[stores.main]\nhosts = ["https://shop.example.com/cart"]', "stores.main.hosts:"),
        ('[stores.main]\nimage_hosts = ["cdn.example.com/x"]', "stores.main.image_hosts:"),
        ('[stores.main]\ndiscount = "a b"', "stores.main.discount:"),
        ('[stores.main]\ncolour = "red"', 'stores.main.colour: "red" is no colour (#1f4fd8 is)'),
        (f'{STORE}logo = "https://evil.example/logo.png"', "stores.main.logo:"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_served(shop: Shop, settings: str, complaint: str) -> None:
    shop.configure(settings)
    outcome = shop.cli("serve", "--port", "0", ok=False)
    assert outcome.exit_code == 2
    assert complaint in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_database_that_is_older_is_refused_before_anything_is_served(shop: Shop) -> None:
    shop.cli("db", "upgrade")
    with closing(sqlite3.connect(shop.folder / "cartctl.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    outcome = shop.cli("serve", "--port", "0", ok=False)
    assert outcome.exit_code == 2
    assert "cartctl db upgrade" in outcome.err
