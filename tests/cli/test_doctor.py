"""`cartctl doctor`: what it says of the configuration, each line when all is well, and when it is not."""

import re

import pytest
from sqlalchemy import insert, text

from cartctl.store.database import open_database
from cartctl.store.tables import feeds
from tests.cli.doctoring import SENDGRID, look, now, put, ran
from tests.shop import Shop

pytestmark = pytest.mark.usefixtures("short_mail")


def test_each_thing_is_one_line_and_a_shop_in_order_exits_0(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTCTL_TEMPLATES")
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    shop.configure(f'{SENDGRID}[consent]\nrequire = "opt-in"\n[stores.main]\nhosts = ["shop.example.com"]\n')
    fresh = {"store": "main", "channel": "website", "imported_at": now(), "newest_order_at": None}
    put(shop, ran(10, 5, 0), insert(feeds).values(fresh))
    outcome = shop.cli("doctor")
    assert outcome.out.splitlines() == [
        f"ok    configuration   {shop.folder / 'cartctl.toml'}",
        *outcome.out.splitlines()[1:2],
        "ok    transport       sendgrid has all it needs (--online asks whether it is right)",
        "ok    base-url        https://mail.example.com",
        "ok    store-hosts     shop.example.com",
        "ok    postal-address  1 Example Street, Exampletown",
        "ok    consent         only who said yes is written to",
        "ok    database        sqlite, schema 0004, as it should be",
        "ok    rehearsal       this database is no rehearsal",
        *outcome.out.splitlines()[9:10],
        "ok    outbox          no message of the last 7 days went to the outbox only",
        "ok    provider        sendgrid was not failing when the last run left it",
        "ok    coupons         every coupon that a step names has codes",
        *outcome.out.splitlines()[13:14],
        "ok    brakes          nothing is held",
        "ok    unknown         of every message it is known what became of it",
        "ok    leases          no message is left over from a run that died",
        "ok    rejects         no rejected rows lie about",
        *outcome.out.splitlines()[18:19],
        "ok    clock           nothing speaks against it",
    ]
    assert re.fullmatch(r"ok    templates       \d+ mails of \d+ steps rendered", outcome.out.splitlines()[1])
    assert outcome.out.splitlines()[9].startswith("ok    orders          the oldest feed of orders is from ")
    assert outcome.out.splitlines()[18].startswith("ok    disk            ")
    assert "k3y" not in outcome.out


@pytest.mark.parametrize("text_", ["transprot = 'outbox'", "no toml", "[sending]\ncap = 'many'"])
def test_an_unreadable_configuration_is_told_as_everywhere_and_the_rest_is_still_looked_at(
    shop: Shop, text_: str
) -> None:
    put(shop, ran(5, 0))
    (shop.folder / "cartctl.toml").write_text(text_, encoding="utf-8")
    elsewhere = shop.cli("detect", ok=False).err.removeprefix("cartctl: ").strip()
    found = look(shop)
    assert found["configuration"][0] == "fail"
    assert found["configuration"][1].startswith(elsewhere)
    assert {"database", "cron", "brakes", "unknown", "leases", "disk", "clock"} <= found.keys()
    assert found["cron"][0] == "ok", "it found the shop's database"
    assert "consent" not in found


def test_with_one_wrong_key_the_database_is_still_the_one_that_is_named(shop: Shop) -> None:
    database = open_database(f"sqlite:///{shop.folder / 'other.db'}")
    with database.write() as connection:
        connection.execute(ran(5, 0))
    database.close()
    (shop.folder / "cartctl.toml").write_text('database = "sqlite:///other.db"\ntransprot = 1\n', encoding="utf-8")
    assert look(shop)["cron"][0] == "ok"


def test_database(shop: Shop) -> None:
    (shop.folder / "cartctl.db").unlink(missing_ok=True)
    assert look(shop)["database"] == ("warn", "the file is not there yet: the first import or run-due makes it")
    assert not (shop.folder / "cartctl.db").exists()
    put(shop, text("UPDATE alembic_version SET version_num = '0001'"))
    found = look(shop)
    assert found["database"] == (
        "fail",
        "the database is at revision 0001, cartctl needs 0004: run `cartctl db upgrade`",
    )
    assert {"disk", "clock"} <= found.keys()
    assert "cron" not in found


def test_a_database_that_cannot_be_reached_is_one_line_without_its_password(shop: Shop) -> None:
    shop.configure('database = "postgresql://shop:s3cret@127.0.0.1:9/shop"\n')
    level, told = look(shop)["database"]
    assert level == "fail"
    assert "is the server up" in told
    assert "s3cret" not in told


def test_templates(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTCTL_TEMPLATES")
    broken = shop.folder / "templates" / "cart-recovery"
    broken.mkdir(parents=True)
    (broken / "urgency.txt").write_text("{{ frist_name }} {{ recovery_link }}", encoding="utf-8")
    shop.configure('templates = "templates"\n')
    level, told = look(shop)["templates"]
    assert level == "fail"
    assert "frist_name" in told
    (broken / "sequence.toml").write_text("no = such", encoding="utf-8")
    level, told = look(shop)["templates"]
    assert level == "fail"
    assert "sequence.toml" in told


def test_transport(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look(shop)["transport"] == ("ok", "outbox: mails go into a folder")
    shop.configure('transport = "sendgrid"\n')
    level, told = look(shop)["transport"]
    assert level == "fail"
    assert "SENDGRID_API_KEY" in told
    assert "from (such as" in told
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    shop.configure('from = "nobody"\n')
    assert look(shop)["transport"] == ("fail", 'from: "nobody" is no sender (Example Shop <shop@example.com> is)')


@pytest.mark.parametrize(("url", "level"), [("https://mail.example.com", "ok"), ("http://localhost:8000", "warn")])
def test_base_url(shop: Shop, url: str, level: str) -> None:
    shop.configure(f'base_url = "{url}"\n')
    assert look(shop)["base-url"][0] == level


def test_what_only_delivered_mail_needs_fails_once_it_is_delivered(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {look(shop)[name][0] for name in ("base-url", "postal-address")} == {"warn"}
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.k3y-of-nobody")
    shop.configure('transport = "sendgrid"\nfrom = "shop@example.com"\n')
    assert {look(shop)[name][0] for name in ("base-url", "postal-address")} == {"fail"}


def test_store_hosts(shop: Shop) -> None:
    level, told = look(shop)["store-hosts"]
    assert level == "fail"
    assert "[stores.main]" in told
    shop.configure('[stores.one]\nhosts = ["shop.example.com"]\n[stores.two]\nbrand = "Two"\n')
    level, told = look(shop)["store-hosts"]
    assert level == "fail"
    assert told.endswith("in [stores.two]")
    shop.configure('[stores.one]\nhosts = ["shop.example.com"]\n')
    assert look(shop)["store-hosts"] == ("ok", "shop.example.com")


@pytest.mark.parametrize("line", ['country = "DE"', 'currency = "EUR"', 'timezone = "Europe/Vienna"'])
def test_shops_with_customers_in_the_eu_are_reminded_of_opt_in(shop: Shop, line: str) -> None:
    shop.configure(f"[stores.main]\n{line}\n")
    level, told = look(shop)["consent"]
    assert level == "warn"
    assert 'consider "opt-in"' in told
    shop.configure(f'[consent]\nrequire = "opt-in"\n[stores.main]\n{line}\n')
    assert look(shop)["consent"][0] == "ok"


@pytest.mark.parametrize("line", ['country = "US"', 'currency = "GBP"', 'timezone = "Europe/London"'])
def test_other_shops_are_not(shop: Shop, line: str) -> None:
    shop.configure(f"[stores.main]\n{line}\n")
    assert look(shop)["consent"][0] == "ok"
