"""What goes wrong at the command line: one line that says what, where and what to try, and the right exit code."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import which

import pytest

from cartctl.store import schema
from tests.cli.looking import carts, everything
from tests.shop import Cli, Outcome, Shop, cart, write_csv

DATABASE = Path("cartctl.db")
GOOD = b"cart_id,updated_at,email\nc-1,2026-03-02T10:00:00Z,anna@example.com\n"


def refused(outcome: Outcome, complaint: str, *, exit_code: int = 2) -> None:
    """Assert that it ended in one line that says so, and in nothing else."""
    assert (outcome.exit_code, outcome.out) == (exit_code, ""), outcome
    assert outcome.err.startswith("cartctl: ")
    assert outcome.err.count("\n") == 1, outcome.err
    assert complaint in outcome.err


@pytest.fixture
def good() -> Path:
    path = Path("good.csv")
    path.write_bytes(GOOD)
    return path


# Files


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", "is no text file"),
        (b"PK\3\4\x14\0\6\0" + bytes(range(256)), "is no text file"),
        (b"\xff\xfe" + b"\x00\xdc" * 8, "begins as UTF-16 and is not: export it again"),
        (b"name,age\nAnna,7\n", "no carts export that cartctl knows. Its columns are name, age."),
        (b"cart_id,updated_at,mail\n", "no carts export that cartctl knows"),
        (GOOD.replace(b",", b"^"), "Its columns are cart_id^updated_at^email"),
        (b'"cart_id,updated_at\n', "opens a quote"),
    ],
)
def test_file_that_is_no_export(cli: Cli, content: bytes, complaint: str) -> None:
    cli("db", "upgrade")
    before = everything(DATABASE)
    Path("carts.csv").write_bytes(content)
    refused(cli("import", "carts", "carts.csv", ok=False), complaint)
    assert everything(DATABASE) == before
    assert list(Path().glob("*rejects*")) == []


def test_no_such_file(cli: Cli) -> None:
    refused(cli("import", "carts", "nothing.csv", ok=False), "nothing.csv: no such file")


def test_folder_in_place_of_a_file(cli: Cli) -> None:
    Path("exports").mkdir()
    refused(cli("import", "orders", "exports", ok=False), "exports: is a folder: name the files in it")


def test_pipe_in_place_of_a_file(cli: Cli) -> None:
    os.mkfifo("pipe.csv")
    refused(cli("import", "carts", "pipe.csv", ok=False), "save it to disk, then import it")


def test_file_whose_name_is_not_utf8(cli: Cli) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    Path(name).write_bytes(GOOD)
    refused(cli("import", "carts", name, ok=False), "the file's name is not UTF-8: rename it, then import it")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read(cli: Cli, good: Path) -> None:
    good.chmod(0)
    refused(cli("import", "carts", good, ok=False), "good.csv: cannot be read: Permission denied")


def test_address_that_is_none_is_that_rows_fault_alone(cli: Cli) -> None:
    Path("carts.csv").write_bytes(GOOD + b"c-2,2026-03-02T10:00:00Z,anna(at)example.com\n")
    refused(cli("import", "carts", "carts.csv", ok=False), "row 3, email: is no e-mail address", exit_code=1)
    assert set(carts(DATABASE)) == {"c-1"}


# Options


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--currency", "EURO"], '--currency: "EURO" is no ISO 4217 currency code'),
        (["--timezone", "Berlin"], '--timezone: "Berlin" is no IANA time zone (Europe/Berlin is)'),
        (["--timezone", "../../etc/passwd"], "is no IANA time zone"),
        (["--format", "shopify-checkout"], '--format: unknown "shopify-checkout" (did you mean "shopify-checkouts"?)'),
        (["--format", "native-orders"], '--format: unknown "native-orders"'),
        (["--format", "shopify-checkouts"], 'good.csv: column "name" is missing'),
        (["--rejects", "nowhere"], "--rejects: nowhere is no folder"),
        (["--at", "2026-11-22T10:30:00"], "has no offset from UTC: append one, such as Z or +01:00"),
        (["--at", "noon"], '--at: "noon" is no time'),
        (["--at", "0001-01-01T00:00:00Z"], "is absurd"),
        (["--at", "9999-12-31T23:59:59Z"], "is absurd"),
        (["--store", "x" * 61], "a store's name has 1 to 60 characters"),
        (["--store", ""], "a store's name has 1 to 60 characters"),
    ],
)
def test_bad_option(cli: Cli, good: Path, options: list[str], complaint: str) -> None:
    refused(cli("import", "carts", good, *options, ok=False), complaint)
    assert not DATABASE.exists() or carts(DATABASE) == {}


def test_unknown_store_is_refused_with_what_was_probably_meant(cli: Cli, good: Path) -> None:
    Path("cartctl.toml").write_text("[stores.shoes]\n[stores.hats]\n")
    refused(
        cli("import", "carts", good, "--store", "shoe", ok=False),
        '--store: no [stores.shoe] is configured (did you mean "shoes"?)',
    )


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (["explain", "caf\udce9"], 2),
        (["explain", "c-1", "--store", "caf\udce9"], 4),
        (["cancel", "caf\udce9"], 2),
        (["preview", "--cart", "caf\udce9"], 3),
        (["contact", "set", "anna@example.com", "town=caf\udce9"], 4),
        (["import", "carts", "--store", "caf\udce9", "good.csv"], 4),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_name_that_is_not_utf8(any_shop: Shop, good: Path, command: list[str], number: int) -> None:
    """As Python hands over the bytes of a terminal that speaks Latin-1."""
    any_shop.cli("import", "carts", good, "--at", "2026-03-02T10:05:00Z")
    refused(any_shop.cli(*command, ok=False), f"word {number} of the command is not UTF-8")


@pytest.mark.parametrize("command", [["import", "inbox"], ["demo"], ["db", "backup"]], ids=" ".join)
def test_name_that_is_too_long_for_a_folder(cli: Cli, command: list[str]) -> None:
    cli("db", "upgrade")
    refused(cli(*command, "x" * 5000, ok=False), "the name of a file or folder is longer than this system allows")


@pytest.mark.parametrize("arguments", [["import"], ["import", "carts"], ["import", "cats"], ["improt"], ["--bogus"]])
def test_words_that_are_no_command_are_a_usage_error(cli: Cli, arguments: list[str]) -> None:
    outcome = cli(*arguments, ok=False)
    assert outcome.exit_code == 2
    assert "Traceback" not in outcome.out + outcome.err


# The database


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Let another process hold the write lock."""
    script = "import sqlite3,sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
    script += "print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield
        finally:
            process.communicate("")


def test_database_that_another_program_writes_to(cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("db", "upgrade")
    before = everything(DATABASE)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///cartctl.db?timeout=0.1")
    with held(DATABASE):
        refused(
            cli("import", "carts", good, ok=False),
            "database is locked: another program is writing to it; try again when it is done",
        )
    assert everything(DATABASE) == before
    cli("import", "carts", good)


def test_new_database_that_another_program_holds(cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///cartctl.db?timeout=0.1")
    with held(DATABASE):
        refused(cli("import", "carts", good, ok=False), "database is locked")


def test_database_opened_for_reading_only(cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("import", "carts", good)
    before = everything(DATABASE)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///file:cartctl.db?mode=ro&uri=true")
    refused(
        cli("import", "carts", write_csv(Path("more.csv"), cart("c-2")), ok=False),
        "attempt to write a readonly database: its file or folder cannot be written to: check the owner and the rights",
    )
    assert everything(DATABASE) == before


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Make it unwritable even for root, where the file system can do that."""
    if which("chattr") is None or subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode:
        pytest.skip("root may write everywhere: needs a file system with chattr +i, or another user")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Take the right to write from this user; root needs more than a mode."""
    if os.geteuid() == 0:
        with immutable(path):
            yield
        return
    mode = path.stat().st_mode
    path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        yield
    finally:
        path.chmod(mode)


def test_database_file_that_cannot_be_written_to(cli: Cli, good: Path) -> None:
    cli("import", "carts", good)
    with unwritable(DATABASE):
        outcome = cli("import", "carts", write_csv(Path("more.csv"), cart("c-2")), ok=False)
    refused(outcome, "check the owner and the rights")
    assert set(carts(DATABASE)) == {"c-1"}


def test_folder_in_which_no_database_can_be_made(cli: Cli, good: Path) -> None:
    Path("shut").mkdir()
    Path("cartctl.toml").write_text('database = "sqlite:///shut/cartctl.db"\n')
    with unwritable(Path("shut")):
        outcome = cli("import", "carts", good, ok=False)
    refused(outcome, "unable to open database file: does the folder exist, and may this user write there?")


def test_folder_that_does_not_exist(cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///nowhere/cartctl.db")
    refused(cli("import", "carts", good, ok=False), "unable to open database file: does the folder exist")


def _at_revision(revision: str) -> None:
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


COMMANDS = [["import", "carts", "good.csv"], ["import", "orders", "good.csv"], ["detect"], ["run-due"], ["report"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_newer_database_is_refused_with_what_to_update(cli: Cli, good: Path, command: list[str]) -> None:
    cli("db", "upgrade")
    _at_revision("9999")
    before = everything(DATABASE)
    refused(
        cli(*command, ok=False), f"is at revision 9999, newer than this cartctl ({schema.HEAD}): update cartctl on this"
    )
    refused(cli("db", "upgrade", ok=False), "newer than this cartctl")
    assert everything(DATABASE) == before


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_older_database_is_refused_with_the_command_that_mends_it(cli: Cli, good: Path, command: list[str]) -> None:
    cli("db", "upgrade")
    _at_revision("0000")
    before = everything(DATABASE)
    refused(cli(*command, ok=False), f"is at revision 0000, cartctl needs {schema.HEAD}: run `cartctl db upgrade`")
    assert everything(DATABASE) == before


def test_somebody_elses_database_is_left_alone(cli: Cli, good: Path) -> None:
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    before = everything(DATABASE)
    refused(cli("import", "carts", good, ok=False), "this database holds other tables (songs …): name another one")
    refused(cli("db", "upgrade", ok=False), "holds other tables")
    assert everything(DATABASE) == before


def test_file_that_is_no_database_is_left_alone(cli: Cli, good: Path) -> None:
    DATABASE.write_text("Dear diary, " * 100)
    refused(cli("import", "carts", good, ok=False), "file is not a database: this file is something else: name another")
    assert DATABASE.read_text() == "Dear diary, " * 100


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("cartctl.db", "the database URL cannot be read (sqlite:///cartctl.db and postgresql+psycopg://"),
        ("sqlite://cartctl.db", "the database URL cannot be read"),
        ("sqlite:///cartctl.db?timeout=soon", "the database URL cannot be read"),
        ("mysql://anna:s3cret@db.example.com/shop", "cartctl runs on SQLite and on PostgreSQL with psycopg, not on my"),
        ("sqlite+aiosqlite:///cartctl.db", "cartctl runs on SQLite and on PostgreSQL with psycopg"),
        ("postgresql://anna:s3cret@127.0.0.1:1/shop", "is the server up, and is the URL right?"),
        ("postgresql://127.0.0.1:1/shop?user=anna&password=s3cret", "is the server up, and is the URL right?"),
        ("postgresql://anna:s3cret@127.0.0.1:1/shop?pasword=s3cret", 'invalid connection option "pasword"'),
        ("postgresql://anna:s3cret@127.0.0.1:port/shop", "the database URL cannot be read"),
    ],
)
def test_bad_database_url_is_refused_and_its_password_not_shown(
    cli: Cli, good: Path, monkeypatch: pytest.MonkeyPatch, url: str, complaint: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    outcome = cli("import", "carts", good, ok=False)
    refused(outcome, complaint)
    assert "s3cret" not in outcome.err
