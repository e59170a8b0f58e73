"""Columns by other names, standard input, and what an operator is told about a whole file."""

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shop import Cli, Shop, cart, order, write_csv

pytestmark = pytest.mark.usefixtures("sqlite_url")

THEIRS = "Cart no.;Changed;Customer E-mail;Article;Price\nc-1;2026-03-02T10:00:00Z;anna@example.com;Mug;12,50\n"
MAPS = ("--map", "Cart no.=cart_id", "--map", "changed = updated_at", "--map", "Customer E-mail=email")
MAPPING = """
[mappings.oldshop]
"Cart no." = "cart_id"
"Changed" = "updated_at"
"Customer E-mail" = "email"
"Price" = "unit_price"
"""


def test_columns_by_other_names(cli: Cli) -> None:
    Path("old.csv").write_text(THEIRS)
    outcome = cli("import", "carts", "old.csv", *MAPS, "--map", "Article=product_name", "--json")
    assert (outcome.json["format"], outcome.json["carts"]["created"]) == ("native-carts", 1)
    assert "columns not used: price" in outcome.err


def test_a_mapping_from_the_configuration(cli: Cli) -> None:
    Path("cartctl.toml").write_text(MAPPING)
    Path("old.csv").write_text(THEIRS)
    assert cli("import", "carts", "old.csv", "--map", "oldshop", "--json").json["accepted"] == 1


def test_another_mapping_is_another_import(cli: Cli) -> None:
    Path("old.csv").write_text(THEIRS)
    cli("import", "carts", "old.csv", *MAPS)
    again = cli("import", "carts", "old.csv", *MAPS, "--map", "Article=product_name", "--json")
    assert not again.json["already_imported"]
    assert cli("import", "carts", "old.csv", *MAPS, "--json").json["already_imported"]


@pytest.mark.parametrize(
    ("maps", "complaint"),
    [
        (("--map", "Cart nr.=cart_id"), 'column "Cart nr."'),
        (("--map", "oldshop"), "no [mappings.oldshop] is configured"),
        (("--map", "Cart no.="), 'expected "Their column=our column"'),
    ],
)
def test_a_wrong_mapping_is_named(cli: Cli, maps: tuple[str, ...], complaint: str) -> None:
    Path("old.csv").write_text(THEIRS)
    outcome = cli("import", "carts", "old.csv", *maps, ok=False)
    assert outcome.exit_code == 2
    assert complaint in outcome.err


@pytest.mark.parametrize("text", ["[]", '{"checkouts": []}'])
@pytest.mark.parametrize("kind", ["carts", "orders", "tiktok"])
def test_an_empty_list_is_an_empty_export(cli: Cli, kind: str, text: str) -> None:
    Path("export.json").write_text(text)
    assert cli("import", kind, "export.json", "--json").json["rows"] == 0


class _Piped(io.TextIOWrapper):
    """Standard input, as a pipe hands it over."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


def test_standard_input(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    content = write_csv(Path("carts.csv"), cart("c-1"), cart("c-2", email="no address")).read_bytes()
    monkeypatch.setattr("sys.stdin", _Piped(content))
    outcome = cli("import", "carts", "-", "--json", ok=False)
    assert (outcome.exit_code, outcome.json["file"]) == (1, "-")
    assert (outcome.json["accepted"], outcome.json["rejected"]) == (1, 1)
    assert Path("stdin.rejects.csv").read_text().count("\n") == 2


def test_standard_input_that_is_no_export_is_called_by_its_name(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Piped(b"what,is,this\n1,2,3\n"))
    outcome = cli("import", "carts", "-", ok=False)
    assert (outcome.exit_code, outcome.err.startswith("cartctl: stdin: ")) == (2, True)


def test_a_column_in_which_everybody_consents_is_doubted(shop: Shop) -> None:
    rows = [cart(f"c-{i}", email=f"p{i}@example.com", consent="yes") for i in range(3)]
    doubt = "every row says that the shopper consented"
    assert doubt in shop.cli("import", "carts", write_csv(Path("all.csv"), *rows)).err
    rows[1]["consent"] = ""
    assert doubt not in shop.cli("import", "carts", write_csv(Path("some.csv"), *rows)).err


def test_pending_cash_on_delivery_closes_a_cart_and_voided_does_not(shop: Shop) -> None:
    for number, status in enumerate(("pending", "voided")):
        email = f"p{number}@example.com"
        shop.cli("import", "carts", write_csv(Path("carts.csv"), cart(f"c-{number}", email=email)))
        path = write_csv(Path("orders.csv"), order(f"o-{number}", email=email, status=status))
        closed = shop.cli("import", "orders", path, "--json").json["orders"]["carts_closed"]
        assert closed == (status == "pending")


def on_a_terminal(folder: Path, *arguments: str) -> str:
    """Run the real command with a terminal for its two outputs; return what that terminal was sent."""
    ours, theirs = pty.openpty()
    command = [str(Path(sys.executable).with_name("cartctl")), *arguments]
    shown = bytearray()
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux's way to say that the other end was closed
            while piece := os.read(ours, 4096):
                shown += piece
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_large_file_shows_how_far_it_is_on_a_terminal_and_nothing_in_cron(cli: Cli, tmp_path: Path) -> None:
    column = {"cart_url": f"https://shop.example.com/{'x' * 900}"}
    large = write_csv(Path("large.csv"), *(cart(f"c-{i}", email=f"p{i}@example.com", **column) for i in range(6000)))
    assert large.stat().st_size > 5_000_000
    shown = on_a_terminal(tmp_path, "import", "carts", "large.csv")
    assert re.search(r"[0-9,]+ rows, [0-9,]+ rows/s", shown)
    assert re.search(r"left:.*[0-9]:[0-9]{2}:[0-9]{2}", shown)
    small = write_csv(Path("small.csv"), cart("c-small"))
    assert "rows/s" not in on_a_terminal(tmp_path, "import", "carts", str(small))
    in_cron = cli("import", "carts", "large.csv", "--again")
    assert (in_cron.out, in_cron.err) == ("", "")
