"""From the configuration and the cart to the mail that leaves: whose it looks, and which language it speaks."""

from pathlib import Path

from tests.shop import Shop, cart, iso, write_csv

TWO_SHOPS = """
postal_address = "Fern & Kettle, 1 Example Street, Exampletown"
[stores.main]
hosts = ["shop.example.com"]
brand = "Fern & Kettle"
logo = "https://shop.example.com/logo.png"
colour = "#0b5d3b"
support = "help@shop.example.com"
[stores.zwei]
brand = "Farn & Kessel"
postal_address = "Farn & Kessel, Beispielweg 2, Beispielstadt"
locale = "de_AT"
"""


def test_each_store_has_its_own_look_address_and_language(shop: Shop) -> None:
    shop.configure(TWO_SHOPS)
    rows = {
        "main": [cart("c-1", email="anna@example.com", locale="en_GB")],
        "zwei": [cart("c-2", email="bela@example.com"), cart("c-3", email="carla@example.com", locale="en")],
    }
    for store, carts in rows.items():
        path = write_csv(shop.folder / f"{store}.csv", *carts)
        shop.cli("import", "carts", path, "--store", store, "--at", iso("5m"))
    shop.run_once("30m")
    anna, bela, carla = sorted(shop.mails, key=lambda mail: mail.to)

    for part in (anna.part("html"), anna.part("plain")):
        assert "help@shop.example.com" in part
        assert "1 Example Street" in part
    assert 'src="https://shop.example.com/logo.png"' in anna.part("html")
    assert "background:#0b5d3b" in anna.part("html")

    assert str(bela.message["Subject"]) == "In Ihrem Warenkorb bei Farn & Kessel liegt noch etwas"
    assert '<html lang="de"' in bela.part("html")
    for part in (bela.part("html"), bela.part("plain")):
        assert "Beispielweg 2" in part
        assert "Example Street" not in part
        assert "help@" not in part
        assert "49,90" in part.replace("\N{NO-BREAK SPACE}", " ")
    assert str(carla.message["Subject"]) == "You left something at Farn & Kessel"


def test_the_language_is_found_anew_at_each_mail(shop: Shop) -> None:
    """A cart that names another language by then, and a text that was written meanwhile."""
    shop.configure('templates = "templates"\n')
    own = Path("templates/cart-recovery")
    own.mkdir(parents=True)
    shop.carts(cart("c-1", email="anna@example.com"), cart("c-2", email="bela@example.com", locale="nl_BE"), when="5m")
    shop.run_once("30m")
    shop.carts(cart("c-1", email="anna@example.com", locale="de_DE"), when="1h")
    for ending, text in (
        ("mjml", '{% extends "shared/layout.mjml" %}'),
        ("txt", "Subject: Nog geïnteresseerd?\n\nDag"),
    ):
        (own / f"urgency.nl.{ending}").write_text(text, encoding="utf-8")
    shop.run_once("24h")
    subjects = {(mail.to, mail.step): str(mail.message["Subject"]).partition("?")[0] for mail in shop.mails}
    assert subjects == {
        ("anna@example.com", "reminder"): "You left something at our shop",
        ("bela@example.com", "reminder"): "You left something at our shop",
        ("anna@example.com", "urgency"): "Überlegen Sie noch",
        ("bela@example.com", "urgency"): "Nog geïnteresseerd",
    }
