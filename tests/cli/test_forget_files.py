"""What `cartctl contact forget` leaves in files: no byte in the database's own, and a list of the others."""

import base64
import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.anna import ANNA, PHONE, annas
from tests.shop import Cli, Shop, cart, iso


def test_the_file_of_the_database_has_no_byte_of_them(shop: Shop) -> None:
    database = Path("cartctl.db")
    others = [cart(f"x-{n}", email=f"x{n}@example.com") for n in range(50)]
    shop.carts(annas(email="Anna@Example.com"), *others, when="5m")
    shop.run("30m")
    with closing(sqlite3.connect(database)) as other:  # keeps the log from being removed when cartctl ends
        other.execute("SELECT count(*) FROM carts").fetchall()
        shop.carts(annas(seen="1h"), when="1h")
        assert ANNA.encode() in (database.read_bytes() + Path("cartctl.db-wal").read_bytes()).lower()
        shop.cli("contact", "forget", ANNA)
        files = [path for path in Path().glob("cartctl.db*") if path.suffix != ".lock"]
        assert {path.name for path in files} >= {"cartctl.db", "cartctl.db-wal", "cartctl.db-shm"}
        content = b"".join(path.read_bytes() for path in files).lower()
    for word in (ANNA, "anna", "zwickl", PHONE):
        for codec in ("utf-8", "utf-16-le"):
            assert word.encode(codec) not in content, word
    assert b"x7@example.com" in content


def test_a_reader_in_the_way_is_told_of_and_the_erasure_stands(cli: Cli, tmp_path: Path) -> None:
    shop = Shop(cli, tmp_path, database_url="sqlite:///cartctl.db?timeout=0.1")
    shop.carts(annas(), when="5m")
    with closing(sqlite3.connect("cartctl.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM carts").fetchall()
        outcome = cli("contact", "forget", ANNA, ok=False)
        assert outcome.exit_code == 1
        assert "a…@example.com is forgotten, but the file of the database still has bytes of it" in outcome.err
        assert cli("contact", "show", ANNA).out.count("forgotten since") == 1
    outcome = cli("contact", "forget", ANNA)
    assert "was already forgotten, on " in outcome.out
    assert ANNA.encode() not in b"".join(path.read_bytes() for path in Path().glob("cartctl.db*"))


def test_on_postgresql_a_vacuum_is_advised(cli: Cli, tmp_path: Path, postgres_url: str) -> None:
    shop = Shop(cli, tmp_path, database_url=postgres_url)
    shop.carts(annas(), when="5m")
    assert "VACUUM FULL" in cli("contact", "forget", ANNA).out
    assert cli("contact", "forget", ANNA, "--json").json["already_forgotten"] is True


def test_the_files_that_still_hold_the_address_are_listed(shop: Shop) -> None:
    shop.carts(annas(), cart("c-2", email="nobody"), annas(cart_id="c-3", unit_price="x"), when="5m", ok=False)
    shop.carts(cart("j-1", email="joanna@example.com"), cart("j-2", email="anna@example.com.au"), when="6m")
    shop.run("30m")
    done = Path("inbox/done")
    done.mkdir(parents=True)
    mail = f"To: =?utf-8?b?{base64.b64encode(b'Anna <ANNA@example.com>').decode()}?=\nSubject: x\n\nHello\n"
    (done / "mail.eml").write_text(mail, encoding="ascii")
    quoted = "To: b@example.com\nContent-Transfer-Encoding: quoted-printable\n\nDear anna@=\nexample.com\n"
    (done / "quoted.eml").write_text(quoted, encoding="ascii")
    (done / "old.csv.gz").write_bytes(gzip.compress(b"email\nAnna@Example.com\n"))
    (done / "wide.csv").write_text(f"email\n{ANNA}\n", encoding="utf-16")
    (done / "escaped.jsonl").write_text('{"email": "anna\\u0040example.com"}\n', encoding="utf-8")
    (done / "long.txt").write_text("-" * ((1 << 20) - 5) + f" {ANNA}", encoding="utf-8")
    (done / "broken.gz").write_bytes(b"\x1f\x8bno")
    (done / "others.csv").write_text("email\njoanna@example.com\nanna@example.com.au\n", encoding="utf-8")
    shop.cli("db", "backup", "backup.db")
    elsewhere = Path("a/b/elsewhere")
    elsewhere.mkdir(parents=True)
    (elsewhere / f"{ANNA}.txt").touch()
    outcome = shop.cli("contact", "forget", ANNA, "--look-in", elsewhere)
    listed = {line.strip() for line in outcome.out.splitlines() if line.startswith("  ")}
    assert listed == {
        *("backup.db", "carts-1.csv", "carts-1.rejects.csv", "a/b/elsewhere/anna@example.com.txt"),
        *(f"inbox/done/{name}" for name in ("mail.eml", "quoted.eml", "old.csv.gz", "wide.csv", "escaped.jsonl")),
        "inbox/done/long.txt",
        f"outbox/{next(mail.path.name for mail in shop.mails if mail.to == ANNA)}",
    }
    assert all(Path(path).exists() for path in listed), "nothing was deleted"


def test_pages_that_were_freed_before_nobody_overwrote_them_are_emptied_too(shop: Shop) -> None:
    """What an ordinary delete leaves in the file is only gone once the whole file is written anew."""
    shop.carts(cart(), when="5m")
    with closing(sqlite3.connect("cartctl.db")) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE once (text TEXT)")
        connection.executemany("INSERT INTO once VALUES (?)", [(f"{ANNA} {'x' * 500}",)] * 200)
        connection.commit()
        connection.execute("DROP TABLE once")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert Path("cartctl.db").read_bytes().count(ANNA.encode()) > 100
    shop.cli("contact", "forget", ANNA, "--yes", "--at", iso("1h"))
    assert ANNA.encode() not in b"".join(path.read_bytes() for path in Path().glob("cartctl.db*"))
