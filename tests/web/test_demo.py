"""The demo's shopper: from the mail to the shop, out of the list, and then no further mail."""

import contextlib
import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cartctl import config
from cartctl.web import create_app
from tests.shop import Cli


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo once; return its folder and what it said at the end."""
    folder = tmp_path_factory.mktemp("demo")
    with contextlib.chdir(folder):
        out = Cli(folder)("demo").out
    return folder / "cartctl-demo", out.rpartition("Be the shopper")[2]


def test_the_journey_that_the_demo_describes(demo: tuple[Path, str]) -> None:
    folder, said = demo
    named = re.search(r"Open (outbox/\S+\.eml)", said)
    assert named
    mail = email.message_from_bytes((folder / named[1]).read_bytes(), policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    body = mail.get_body(("plain",))
    assert body is not None
    recover, unsubscribe = re.findall(r"http://localhost:8000(/[ru]/\S+)", body.get_content())
    loaded = config.load(file=None, environment={}, folder=folder)
    with contextlib.chdir(folder), TestClient(create_app(loaded), follow_redirects=False) as client:
        location = client.get(recover).headers["location"]
        assert location.startswith("http://localhost:8001/cart.html?cart=w-6&utm_source=cartctl")
        assert (folder / "shop" / "cart.html").exists()
        cli = Cli(folder)
        dry = cli("run-due", "--dry-run").out
        assert "cart-recovery/urgency to f…@example.com, cart w-6 of fern: would be sent" in dry
        assert "You are unsubscribed" in client.post(unsubscribe).text
        before = sorted((folder / "outbox").iterdir())
        assert cli("run-due", "--json").json["sent"] == 0
        assert sorted((folder / "outbox").iterdir()) == before


def test_every_picture_of_the_demo_is_there(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    named = {
        name
        for file in (folder / "exports").glob("*.csv")
        for name in re.findall(r"http://localhost:8001/(\S+?\.svg)", file.read_text(encoding="utf-8"))
    }
    assert len(named) == 6
    assert {name for name in named if not (folder / "shop" / name).exists()} == set()


def test_the_commands_it_names_are_there(demo: tuple[Path, str]) -> None:
    _, said = demo
    commands = re.findall(r"^  (?:\d\. )?cartctl (\S+)", said, re.MULTILINE)
    assert commands == ["serve", "run-due"]
    for command in commands:
        assert "Usage" in Cli(Path())(command, "--help").out
    assert "python3 -m http.server 8001 -d shop" in said
